// Sweep files for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/json.hpp"
#include "sim/sweep/sweep.hpp"

#include <string>

namespace viosim::test {

inline Sweep sweep_of(const std::string& more) {
  const std::string text = R"({"name": "s", "scenario": "a.json")" + more + "}";
  return read_document<Sweep>(parse_json(text, "s.json"), "s.json");
}

// Everything that is wrong with it, one problem on a line; empty when nothing is.
inline std::string problems_of(const std::string& more) {
  try {
    sweep_of(more);
  } catch (const ConfigError& error) {
    std::string text;
    for (const Problem& problem : error.problems()) text += problem.text() + '\n';
    return text;
  }
  return {};
}

}  // namespace viosim::test
