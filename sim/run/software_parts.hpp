// What building a host's software and building its guests have in common.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/software.hpp"

#include <string>
#include <vector>

namespace viosim {

// In their order; the scenario is valid.
std::vector<DeviceNumber> devices_named(const std::vector<std::string>& texts,
                                        const std::vector<DeviceGroup>& groups);
// Of the one of that number, after the first instant that there can be.
inline Ps start_of(const ProcessesConfig& config, std::uint32_t index) {
  return config.start + config.every * index;
}
// What a function can do, and what its driver asks for.
IommuFunction capabilities_of(const AcceleratorDevice& config);
Sva::DeviceOptions options_of(const AcceleratorDevice& config);

}  // namespace viosim
