// Which part of a built system is whose point of injections.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/injection.hpp"
#include "sim/run/components.hpp"
#include "sim/run/system.hpp"

namespace viosim {

// Connects every model of the system that lets itself be disturbed. Before the run; the injector
// outlives it.
void wire_injections(Injector& injector, System& system, const ComponentIndex& components);

}  // namespace viosim
