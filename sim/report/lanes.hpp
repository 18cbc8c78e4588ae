// Gauges of many components, as the rows of a chart: those of components that differ in their indices only
// are put together when they are too many.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/report/gauge.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace viosim::report {

struct NamedGauge {
  std::string name;  // what a row is called when the gauge has one of its own
  const Gauge* gauge = nullptr;
};

// [{"name": ..., ...}]: at most `most_lanes`; what is beyond them is the last, "N others".
inline constexpr std::size_t most_lanes = 24;
Value lanes_json(const TimeGrid& grid, const std::vector<NamedGauge>& gauges);

// One gauge for each component, by its number.
class ComponentGauges {
 public:
  // Components that the run's table of `known` ones does not have share a place.
  ComponentGauges(const TimeGrid& grid, std::size_t known) : grid_(grid), known_(known) {}

  void change(std::uint32_t component, std::int64_t time, std::int64_t delta) {
    of(component).add(grid_, time, delta);
  }
  void interval(std::uint32_t component, std::int64_t begin, std::int64_t end) {
    Gauge& gauge = of(component);
    gauge.add(grid_, begin, 1);
    gauge.add(grid_, end, -1);
  }
  // Of those that ever changed.
  Value json(const std::vector<std::string>& components) const;
  bool empty() const { return gauges_.empty(); }

 private:
  Gauge& of(std::uint32_t component);

  TimeGrid grid_;
  std::size_t known_;
  std::vector<Gauge> gauges_;
  std::vector<bool> used_;
};

}  // namespace viosim::report
