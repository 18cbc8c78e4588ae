// Lays out violations of invariants: for people, for programs, for the run database.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/event_fields.hpp"
#include "sim/check/scene.hpp"
#include "sim/json/value.hpp"
#include "sim/record/rows.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viosim {

// The first ones, each with what led to it; empty when there are none. `found`: with those that were
// not kept. `components`: paths by number.
std::string violations_text(const std::vector<check::Violation>& violations, std::uint64_t found,
                            const std::vector<std::string>& components);
// Adds "violations_found", how many there were, and where there are any "violations": those that were
// kept.
void add_violations(Value::Object& summary, const std::vector<check::Violation>& violations,
                    std::uint64_t found, const std::vector<std::string>& components);
// `words`: of the run's components.
ViolationRow row_of(const check::Violation& violation, const EventWords& words);

}  // namespace viosim
