// Events that are seldom and matter: actions, hotplug, resets, faults, violations. The first of each kind as they
// are, all of them as counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/report/gauge.hpp"
#include "sim/report/roles.hpp"
#include "sim/trace/event_names.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace viosim::report {

class Marks {
 public:
  static constexpr std::size_t most_shown = 1000;  // of a kind

  explicit Marks(const TimeGrid& grid) : grid_(grid) {}

  void add(const TraceEvent& event, const Roles& roles, const EventNames& names);
  void add(const ViolationRow& violation, std::size_t number);

  // [{"kind": ..., "count": N, "events": [[time, text], ...], "bins": [[bin, count], ...]}]; bins only of kinds
  // with more events than are shown.
  Value json() const;

 private:
  struct Kind {
    std::uint64_t count = 0;
    std::vector<std::pair<std::int64_t, std::string>> events;
    std::map<std::size_t, std::uint64_t> bins;
  };
  Kind& put(const std::string& kind, std::int64_t time);

  TimeGrid grid_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace viosim::report
