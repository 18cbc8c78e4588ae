// Why a task waits in Slurm's queue, where that may not pass by itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/slurm.hpp"

#include <optional>
#include <string>

namespace viosim {

// Which task waits, why, and what would be right. None: it does not wait, or its turn comes, as for "Priority".
std::optional<std::string> wait_text(const SlurmTask& task);

}  // namespace viosim
