// What the detection matrix is of: machines, and what is done to them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/load.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace viosim::matrix {

// Who uses its functions: what is done to messages and steps is done to theirs.
enum class Users : std::uint8_t { host, guest, both };

struct Machine {
  std::string_view name;
  Users users{};
  std::string_view rest;  // of its scenario
};

// A host's processes; a guest with the host's PASIDs, one of whose vIOMMUs comes and goes; a guest with
// its own PASIDs and a slice of a function that the host shares; a host whose processes exit before they
// close or have no PASID, and whose functions are unplugged; a guest by iommufd, whose PASIDs in a
// function are its own; and a guest that has moved to another host before its processes begin.
extern const std::array<Machine, 6> machines;

Scenario scenario_of(const Machine& machine, const std::string& more);

struct Row {
  std::string what;
  std::string more;         // of the scenario
  bool only_found = false;  // it has no place in the table where nothing finds it
};

Row injection(const std::string& what, const std::string& text);
// Each injection that there is, and each defect.
std::vector<Row> all_rows();
// Scenarios of scenarios/defects by what they have in common with a row; those that are corrected are left
// out.
class Shown {
 public:
  Shown();
  // Names, in their order.
  const std::vector<std::string>& by(const Row& row) const;

 private:
  std::map<std::string, std::vector<std::string>> scenarios_;
};

}  // namespace viosim::matrix
