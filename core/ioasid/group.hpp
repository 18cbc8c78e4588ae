// A group: allocators with the same helpers, and the ids they share.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/backend.hpp"
#include "ioasid/id_map.hpp"

#include <vector>

namespace ioasid::detail {

struct Group {
  IdMap ids;
  bool custom = false;
  AllocatorOps ops;                    // the helpers, and the pdata in use
  const AllocatorOps* head = nullptr;  // whose pdata that is
  struct Sharer {
    const AllocatorOps* identity;
    void* pdata;
  };
  std::vector<Sharer> sharers;  // in order of registration

  bool has(const AllocatorOps& wanted) const;
  // Takes it from the sharers, if it is among them.
  void remove(const AllocatorOps& wanted);
  void use(const Sharer& sharer);
};

}  // namespace ioasid::detail
