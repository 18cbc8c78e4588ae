// Lists the runs of a sweep without running them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/experiment.hpp"

#include <cstdint>
#include <cstdio>
#include <string>

namespace viosim {

// "latency: 12 points, grid, 60 runs"
std::string size_text(const Experiment& experiment);

// Prints each run as soon as it is known, and reads each point's scenario; runs of points whose scenario is wrong are
// marked, and told at the end. Returns how many these are.
std::uint64_t print_runs(const Experiment& experiment, std::FILE* out);

}  // namespace viosim
