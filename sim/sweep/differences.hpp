// Where two JSON documents differ.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"

#include <string>
#include <vector>

namespace viosim {

struct Difference {
  std::string pointer;
  std::string before;  // in a few words; "absent"
  std::string after;
  bool operator==(const Difference&) const = default;
};

// The first few, in the order of `before`.
std::vector<Difference> differences_of(const Value& before, const Value& after);

}  // namespace viosim
