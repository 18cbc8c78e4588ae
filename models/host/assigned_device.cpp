// Answers to devices, by whoever took their requests.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/assigned_device.hpp"

#include "models/host/nesting_api.hpp"

namespace viosim {

void AssignedDevice::respond(Thread& thread, const PageResponse& response) const {
  if (requests != nullptr) {
    requests->respond(thread, response);
  } else {
    driver->submit(thread, {descriptor_of(response)});
  }
}

}  // namespace viosim
