// Lays out violations of invariants: for people, for programs, for the run database.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/event_fields.hpp"
#include "sim/check/scene.hpp"
#include "sim/json/value.hpp"
#include "sim/record/rows.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace viosim {

// How often each invariant was violated, by its name, with those violations that were not kept.
using ViolationCounts = std::map<std::string, std::uint64_t>;
std::uint64_t found(const ViolationCounts& counts);  // together

// Of each invariant that was violated the first violation, with what led to it, and how many there were; empty
// when there are none. `components`: paths by number.
std::string violations_text(const std::vector<check::Violation>& violations,
                            const ViolationCounts& counts,
                            const std::vector<std::string>& components);
// Adds "violations_found", how many there were, and where there are any "violations_by_invariant" and
// "violations": those that were kept.
void add_violations(Value::Object& summary, const std::vector<check::Violation>& violations,
                    const ViolationCounts& counts, const std::vector<std::string>& components);
// `words`: of the run's components.
ViolationRow row_of(const check::Violation& violation, const EventWords& words);

}  // namespace viosim
