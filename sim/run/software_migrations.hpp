// What a run's summary says of guests that were to move and did not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/system.hpp"

#include <string>
#include <vector>

namespace viosim {

// In the order of hosts and guests, and of time.
std::vector<std::string> migration_notes(const System& system);

}  // namespace viosim
