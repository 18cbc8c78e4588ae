// Names in a scenario: what they may look like, and who is meant by one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/scenario/scenario.hpp"

#include <string>
#include <string_view>

namespace viosim {

// Reports a name that cannot be part of paths such as host0.nic[3] and of file names.

const std::string& name_of_device(const DeviceConfig& device);
const std::string& iommu_of_device(const DeviceConfig& device);

// nullptr when the host has none of that name.
const IommuConfig* find_iommu(const HostConfig& host, std::string_view name);
// Reports that it has none.
void reject_iommu(const HostConfig& host, const std::string& name, const Where& where);
// A recording behind an IOMMU that has other devices, and the reverse. `where`: the device.
void reject_shared_by_recording(const std::string& iommu, const Where& where);
void reject_iommu_of_recording(const std::string& iommu, const Where& where);

}  // namespace viosim
