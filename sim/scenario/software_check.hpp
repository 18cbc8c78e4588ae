// What accelerators, processes and guests of a host must hold beyond their types.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/scenario/scenario.hpp"

#include <cstdint>

namespace viosim {

// References between them, and combinations that cannot be. `where`: the host's place.
void check_software(const HostConfig& host, const Where& where);

// Places in the order of events that the software of one such host takes, and its accelerators.
std::uint64_t places_of_software(const HostConfig& host);

}  // namespace viosim
