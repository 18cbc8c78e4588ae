// How many PASIDs each owner has, over time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/report/gauge.hpp"
#include "sim/report/roles.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim::report {

// Events come in the order of the trace, which is that of time for one kernel's numbers.
class Owners {
 public:
  explicit Owners(const TimeGrid& grid) : grid_(grid) {}

  void allocated(const TraceEvent& event);
  void freed(const TraceEvent& event);

  // Rows for a chart (lanes.hpp), named "KERNEL: OWNER", or "KERNEL" for what it has itself.
  Value json(const std::vector<std::string>& components) const;

 private:
  using Number = std::pair<std::uint32_t, std::uint32_t>;  // the kernel's component, PASID
  using Owner = std::pair<std::uint32_t, std::uint64_t>;   // the kernel's component, who
  void end_life(const Number& number, std::int64_t time);

  TimeGrid grid_;
  std::map<Number, std::uint64_t> owner_of_;  // of numbers that live
  std::map<Owner, Gauge> gauges_;
};

}  // namespace viosim::report
