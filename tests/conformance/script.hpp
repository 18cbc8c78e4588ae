// One script of the vectors, replayed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/space.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace conformance {

struct Disagreement {
  std::size_t operation;  // its index in "ops"
  nlohmann::json op;
  nlohmann::json expected;
  nlohmann::json got;
};

// Runs a script that check_script() let pass on a fresh space; empty when all agrees.
std::vector<Disagreement> replay(const nlohmann::json& script, ioasid::Behaviour behaviour);

}  // namespace conformance
