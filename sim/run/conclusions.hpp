// What is said of a run's events, and of what was expected of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/run/plan.hpp"

#include <string>
#include <vector>

namespace viosim {

// Lines for the end of the summary; empty for a scenario with neither.
std::string conclusions_text(const Events& events, const std::vector<Verdict>& verdicts);

// Adds "events", "expectations" and "as_expected" to the summary's JSON; nothing for a scenario with
// neither.
void add_conclusions(Value::Object& summary, const Events& events,
                     const std::vector<Verdict>& verdicts);

}  // namespace viosim
