// Who shares a group.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/group.hpp"

#include <algorithm>

namespace ioasid::detail {

bool Group::has(const AllocatorOps& wanted) const {
  return std::any_of(sharers.begin(), sharers.end(),
                     [&](const Sharer& sharer) { return sharer.identity == &wanted; });
}

void Group::remove(const AllocatorOps& wanted) {
  std::erase_if(sharers, [&](const Sharer& sharer) { return sharer.identity == &wanted; });
}

void Group::use(const Sharer& sharer) {
  head = sharer.identity;
  ops.pdata = sharer.pdata;
}

}  // namespace ioasid::detail
