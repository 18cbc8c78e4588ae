// The JSON Schema of scenario files as people write them: with parts and templates.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"

namespace viosim {

Value scenario_schema();

}  // namespace viosim
