// Whether a script of the vectors says what FORMAT.md allows, before it is replayed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

namespace conformance {

// Throws BadScript (place.hpp) for the first thing that cannot be replayed as it is written, or
// that no replay could answer.
void check_script(const nlohmann::json& script);

}  // namespace conformance
