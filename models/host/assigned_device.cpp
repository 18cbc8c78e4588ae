// Answers to devices, by whoever took their requests; and the end of a PASID in a slice.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/assigned_device.hpp"

#include "models/host/nesting_api.hpp"
#include "models/kernel/function_driver.hpp"

namespace viosim {

void AssignedDevice::respond(Thread& thread, const PageResponse& response) const {
  if (requests != nullptr) {
    requests->respond(thread, response);
  } else {
    driver->submit(thread, {descriptor_of(response)});
  }
}

bool AssignedDevice::takes_enqcmd() const {
  return mediated && parent != nullptr && parent->function().shared != nullptr;
}

void AssignedDevice::stop(Thread& thread, Pasid pasid) const {
  if (parent != nullptr) parent->stop_of_slice(thread, pasid);
}

}  // namespace viosim
