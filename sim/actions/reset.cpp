// Which devices can be reset, and how.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/reset.hpp"

namespace viosim {

std::vector<Act> ResetDevices::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (DeviceControl& device : targets.devices(reset, where / "reset")) {
    if (!device.reset) {
      (where / "reset")
          .reject(
              "read the path of a device without \"ats\"; expected one with it: only such a "
              "device keeps what a reset clears");
      return {};
    }
    acts.push_back(Act::always(device.component, std::move(device.reset)));
  }
  return acts;
}

}  // namespace viosim
