// How many runs a task of a cluster shall do.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/experiment.hpp"
#include "sim/sweep/interrupt.hpp"

#include <cstdint>

namespace viosim {

// Slurm starts tasks in rounds of a second or so: a slice is work for 45 s, or as much less, down to 5 s, as makes
// 64 slices of all runs. `seconds`: of one run; `jobs`: runs at a time of a task.
std::uint64_t slice_size(std::uint64_t runs, double seconds, unsigned jobs);

// How long the first run, the last one and one in the middle take, on average: done here, each in a process of its
// own, for at most 5 s.
double seconds_of_a_run(const Experiment& experiment, const Interrupt& interrupt);

}  // namespace viosim
