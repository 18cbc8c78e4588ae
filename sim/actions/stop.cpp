// How devices are stopped.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/stop.hpp"

namespace viosim {

std::vector<Act> StopDevices::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (DeviceControl& device : targets.devices(stop, where / "stop"))
    acts.push_back(Act::always(device.component, std::move(device.stop)));
  return acts;
}

}  // namespace viosim
