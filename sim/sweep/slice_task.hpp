// What a node of a cluster does: one slice of a sweep.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/experiment.hpp"
#include "sim/sweep/slices.hpp"

#include <cstdint>

namespace viosim {

// What a task prints last but for why: its runs are not to blame.
inline constexpr const char* slice_given_up =
    "this task gives its slice up, of which runs are left";

// Does the runs of the slice that no earlier task has done, and writes parts as it goes. Returns the signal that has
// ended it, with all written that was done; 0: none. Throws ConfigError: the sweep is not what was submitted.
int perform_slice(const Experiment& experiment, const Slices& slices, std::uint64_t slice,
                  unsigned jobs);

}  // namespace viosim
