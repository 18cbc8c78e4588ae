// How many things are waiting, over time: requests, descriptors, commands, page groups, threads.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/report/lanes.hpp"
#include "sim/report/roles.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace viosim::report {

// Events that have a duration say themselves from when to when something waited. Others come in pairs; an end
// without its beginning is not counted.
class Depths {
 public:
  Depths(const TimeGrid& grid, const Roles& roles, const std::vector<std::string>& components);

  void add(const TraceEvent& event);

  // [{"title": ..., "note": ..., "lanes": [...]}] of those charts in which there is something.
  Value json() const;

 private:
  struct Chart {
    const char* title;
    const char* note;
    ComponentGauges gauges;
  };
  enum Which : std::uint8_t {
    in_flight,
    walkers,
    walking,
    pages,
    groups,
    descriptors,
    commands,
    locks,
    charts
  };
  using Key = std::tuple<std::uint8_t, std::uint32_t, std::uint64_t, std::uint64_t>;

  void lasted(Which which, const TraceEvent& event);
  void begins(Which which, const TraceEvent& event, const Key& key);
  void ends(const TraceEvent& event, const Key& key);
  void group(const TraceEvent& event);

  const Roles& roles_;
  const std::vector<std::string>& components_;
  std::vector<Chart> charts_;                       // by Which
  std::map<Key, std::vector<std::uint32_t>> open_;  // the components at which they began
  std::vector<std::uint32_t> host_of_;  // by component: the first with its path's first step
};

}  // namespace viosim::report
