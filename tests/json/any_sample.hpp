// Arbitrary sample documents, for properties.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/json/sample.hpp"

#include <rapidcheck.h>

namespace viosim::sample {

rc::Gen<Scenario> any_scenario();

}  // namespace viosim::sample
