// How many actors a scenario asks of the engine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/engine.hpp"
#include "sim/scenario/scenario.hpp"

namespace viosim {

// Unguarded where the actors that may be alive at once come near to what guarded stacks allow. They
// are counted with a margin of two: a worker for each process, sixteen actors for each kernel.
Stacks stacks_for(const Scenario& scenario);

}  // namespace viosim
