// Historic defects, as parameters of a scenario's kernels and hypervisors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace viosim {

struct Scenario;

// Switches on what `defects` names, in all hosts and guests. Doing it twice is doing it once.
void apply_defects(Scenario& scenario);

}  // namespace viosim
