// Guests that panicked or never booted: what a summary says of them, and whether that was expected.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/expectations.hpp"
#include "sim/run/system.hpp"

#include <string>
#include <vector>

namespace viosim {

// After the run, in the order of hosts and guests: when and why a guest panicked.
std::vector<std::string> panic_notes(const System& system);

// What nobody expects: a guest's panic, unless a clause is about its `panics`; and a guest that does not
// boot by itself, and that no event has booted.
std::vector<Verdict> verdicts_of_guests(const System& system, const Expectations& expectations);

}  // namespace viosim
