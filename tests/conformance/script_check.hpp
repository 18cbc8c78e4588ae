// Whether a script of the vectors says what FORMAT.md allows, before it is replayed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace conformance {

// What is wrong with a script, and where.
class BadScript : public std::runtime_error {
 public:
  BadScript(const std::string& pointer, const std::string& read, const std::string& expected)
      : std::runtime_error(pointer + ": read " + read + ", expected " + expected) {}
};

// Throws BadScript for the first thing that cannot be replayed as it is written.
void check_script(const nlohmann::json& script);

}  // namespace conformance
