// Lays out violations of invariants: for people, for programs, for the run database.
// SPDX-License-Identifier: Apache-2.0
#pragma once

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
// Adds "violations"; nothing when there are none.
void add_violations(Value::Object& summary, const std::vector<check::Violation>& violations,
                    const std::vector<std::string>& components);
ViolationRow row_of(const check::Violation& violation, const std::vector<std::string>& components);

}  // namespace viosim
