// What happened in a run, over time, from one pass through its trace.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/record/run_reader.hpp"

namespace viosim::report {

// {"end": ps, "bin": ps, "owners": [...], "marks": [...], "depths": [...], "breakdown": {...}}; null when there is no
// trace. Throws ConfigError for a damaged block.
Value timeline_json(RunReader& reader);

}  // namespace viosim::report
