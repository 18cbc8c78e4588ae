// How devices go on, and processes begin.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/start.hpp"

namespace viosim {

std::vector<Act> StartDevices::prepare(const Targets& targets, const Where& where) const {
  return targets.starts(start, where / "start");
}

}  // namespace viosim
