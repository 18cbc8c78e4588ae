// The host kernel's PASIDs that are unique in the whole system, as Linux has allocated them since 6.6:
// for its own processes, and for slices of a function, which are told apart by nothing else.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/kernel/errno.hpp"
#include "models/kernel/pasid_space.hpp"

#include <cstddef>

namespace viosim {

// Numbers out of the kernel's own allocator, so that no process of the host gets one of them. Calls by
// threads take its lock and its time.
class GlobalPasids {
 public:
  explicit GlobalPasids(PasidSpace& pasids) : pasids_(pasids) {}

  // The lowest free one in [1, max_pasids - 1]. -ENOSPC: there is none.
  Result<Pasid> alloc(std::uint32_t max_pasids) {
    if (max_pasids <= 1) return Errno::enospc;
    const ioasid::Ioasid id = pasids_.alloc(this, {1, max_pasids - 1}, nullptr);
    if (id == ioasid::invalid_ioasid) return Errno::enospc;
    ++out_;
    return Pasid(id);
  }
  void free(Pasid pasid) {
    pasids_.free(pasid.value());
    --out_;
  }

  std::size_t size() const { return out_; }  // how many are out

 private:
  PasidSpace& pasids_;
  std::size_t out_ = 0;
};

}  // namespace viosim
