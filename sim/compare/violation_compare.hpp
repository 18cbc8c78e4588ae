// What two runs say of violations of invariants.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/compare/run_compare.hpp"

namespace viosim {

// The first violation of an invariant is held against the other run's first one of it, and so on: all that
// is recorded of it, with the events that led to it. Where times may differ (`untimed`) neither are its
// time and those of its events compared, nor its message and what is said of the events, which may
// tell of times; where events may (`off`), nothing.
std::vector<ViolationDifference> compare_violations(const RunReader& a, const RunReader& b,
                                                    TraceRule rule);

}  // namespace viosim
