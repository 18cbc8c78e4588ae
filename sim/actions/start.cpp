// How devices go on.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/start.hpp"

namespace viosim {

std::vector<Act> StartDevices::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (DeviceControl& device : targets.devices(start, where / "start"))
    acts.push_back(Act::always(device.component, std::move(device.start)));
  return acts;
}

}  // namespace viosim
