// All that a report of a run shows, as JSON.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/record/run_reader.hpp"

namespace viosim::report {

// What the page's scripts read (page/run.js). The same database gives the same value; wall times are not in it.
// Throws ConfigError for a damaged trace.
Value run_json(RunReader& reader);

}  // namespace viosim::report
