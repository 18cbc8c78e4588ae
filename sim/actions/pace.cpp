// How devices change their rate.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/pace.hpp"

namespace viosim {

std::vector<Act> PaceDevices::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (const DeviceControl& device : targets.devices(pace, where / "pace")) {
    acts.push_back(
        Act::always(device.component, [change = device.pace, to = interval] { change(to); }));
  }
  return acts;
}

}  // namespace viosim
