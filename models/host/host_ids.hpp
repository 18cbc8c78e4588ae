// The ids of a host: the space of its kernel, and the sets that virtual machines have in it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/sets.hpp"
#include "models/cpu/locks.hpp"
#include "models/kernel/pasid_space.hpp"

#include <string>
#include <vector>

namespace viosim {

class VfioContainer;

// The library's own lock around sets knows nothing of simulated threads, and the space's is waited
// for inside of it. So whoever calls `sets` holds `lock`, a simulated one. find() needs neither.
struct HostIds {
  HostIds(Engine& engine, const std::string& path, PasidSpace& of, Ps handover)
      : pasids(of), sets(of.space()), lock(engine, path + ".sets", handover) {}

  PasidSpace& pasids;
  ioasid::SetSpace sets;
  SpinLock lock;
  std::vector<const VfioContainer*> open_containers;  // in the order in which they were opened
};

}  // namespace viosim
