// The host kernel's PASIDs that are unique in the whole system, as Linux has allocated them since 6.6:
// for its own processes, and for slices of a function, which are told apart by nothing else.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "ioasid/backends.hpp"
#include "models/cpu/locks.hpp"
#include "models/kernel/errno.hpp"
#include "models/kernel/pasid_space.hpp"

#include <string>

namespace viosim {

class GlobalPasids {
 public:
  GlobalPasids(Engine& engine, const std::string& path, const PasidSpaceParams& params = {})
      : params_(params), lock_(engine, path + ".lock", params.lock_handover) {}

  // The lowest free one in [1, max_pasids - 1]. -ENOSPC: there is none.
  Result<Pasid> alloc(Thread& thread, std::uint32_t max_pasids) {
    const Guard guard(lock_, thread);
    thread.run(params_.operation);
    const ioasid::Ioasid id = ids_.alloc_global(max_pasids);
    if (id == ioasid::invalid_ioasid) return Errno::enospc;
    return Pasid(id);
  }
  void free(Thread& thread, Pasid pasid) {
    const Guard guard(lock_, thread);
    thread.run(params_.operation);
    ids_.free_global(pasid.value());
  }
  // For the host's own PasidSpace, whose ids then come from here.
  ioasid::AllocatorOps backend() { return {&ids_, &ids_, nullptr}; }

  std::size_t size() const { return ids_.size(); }  // how many are out

 private:
  PasidSpaceParams params_;
  SpinLock lock_;
  ioasid::GlobalIdAllocator ids_;
};

}  // namespace viosim
