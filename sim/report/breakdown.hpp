// Where the time of requests went: by what they waited for, over the run and over time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/report/gauge.hpp"
#include "sim/report/roles.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim::report {

class Breakdown {
 public:
  Breakdown(const TimeGrid& grid, const Roles& roles, std::size_t components)
      : grid_(grid), roles_(roles), known_(components) {}

  void translated(const TraceEvent& event);
  void part(const TraceEvent& event);

  // {"rows": what each component's requests did, "stacks": how many requests were in each part, over time,
  //  "outcomes": answers in each bin}
  Value json(const std::vector<std::string>& components) const;

 private:
  struct Spent {
    std::uint64_t time = 0;  // ps
    std::uint64_t count = 0;
  };
  enum Outcome : std::uint8_t { hit, miss, no_page, fault, outcomes };
  static constexpr std::array<const char*, outcomes> outcome_names = {"hit", "miss", "no access",
                                                                      "fault"};
  struct Row {
    std::map<std::uint16_t, Spent> parts;  // by kind
    std::array<Spent, outcomes> answers;
  };

  static Outcome outcome_of(std::uint16_t code);
  Row& row(std::uint32_t component);
  Value rows_json(const std::vector<std::string>& components) const;
  Value row_json(const std::string& name, const std::vector<const Row*>& members) const;
  Value stacks_json() const;

  TimeGrid grid_;
  const Roles& roles_;
  std::size_t known_;
  std::vector<Row> rows_;                                     // by component
  std::map<std::uint16_t, Gauge> gauges_;                     // of parts, by kind
  std::array<std::vector<std::uint64_t>, outcomes> answers_;  // by bin
};

}  // namespace viosim::report
