// Which accelerators each guest has, and which ones a text means.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// Devices of one name: "acc" is a single one, otherwise they are "acc[0]", "acc[1]" ...
struct DeviceGroup {
  std::string name;
  std::uint32_t count = 1;
  bool operator==(const DeviceGroup&) const = default;
};
struct DeviceNumber {
  std::size_t group = 0;
  std::uint32_t index = 0;
  auto operator<=>(const DeviceNumber&) const = default;
};
std::string name_of(const DeviceGroup& group, std::uint32_t index);

// All that a text means, in order. Reports at `where` when that is nothing. `whose`: "host
// \"h\"", for messages.
std::vector<DeviceNumber> find_devices(const std::string& text,
                                       const std::vector<DeviceGroup>& groups, const Where& where,
                                       const std::string& whose);

// A host's accelerators.
std::vector<DeviceGroup> accelerators_of(const HostConfig& host);

// An accelerator of the host as a guest has it.
struct AssignedFunction {
  DeviceNumber on_host;   // among accelerators_of()
  DeviceNumber in_guest;  // among devices_of()
  std::size_t viommu = 0;
  bool ats = true;
  std::optional<QueueSlice> slice;  // of a mediated device; without queues where one is shared
};
// What a guest of this kind calls its devices, in the order of their numbers in it.
std::vector<DeviceGroup> devices_of(const GuestConfig& guest, const HostConfig& host);

// By guest of the scenario, and by which one of them; in the order of `assign`.
using Assignments = std::vector<std::vector<std::vector<AssignedFunction>>>;
// Certain ones are given first, then the others in the order of guests. Reports at `where`, the
// host's place, what cannot be.
Assignments assignments_of(const HostConfig& host, const Where& where);

}  // namespace viosim
