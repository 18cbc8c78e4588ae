// How much there is of something over a run: kept exactly while it changes seldom, else as means over
// equal parts of the run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace viosim::report {

// Equal parts ("bins") of the time from 0 to the end of a run, in ps.
struct TimeGrid {
  static constexpr std::int64_t most_bins = 4096;

  static TimeGrid until(std::int64_t end);

  std::int64_t clamp(std::int64_t time) const { return time < 0 ? 0 : time > end ? end : time; }
  std::size_t bin_of(std::int64_t time) const {  // of a clamped time
    const auto number = static_cast<std::size_t>(time / width);
    return number < bins ? number : bins - 1;
  }

  std::int64_t end = 1;
  std::int64_t width = 1;  // of a bin; the last one may reach beyond the end
  std::size_t bins = 1;
};

// Changes may come in any order of time. Not thread-safe.
class Gauge {
 public:
  // More changes than these are kept as means.
  static constexpr std::size_t most_changes = 2048;

  void add(const TimeGrid& grid, std::int64_t time, std::int64_t delta) {
    time = grid.clamp(time);
    if (!area_.empty()) return add_to_bins(grid, time, delta);
    changes_.emplace_back(time, delta);
    if (changes_.size() > most_changes) fold(grid);
  }
  void merge(const TimeGrid& grid, const Gauge& other);
  bool exact() const { return area_.empty(); }

  // {"t": [...], "v": [...]}: from each time on it is that much, 0 before the first. Or {"mean": [...]}, one
  // for each bin, rounded to 4 digits.
  Value json(const TimeGrid& grid) const;

 private:
  void fold(const TimeGrid& grid);
  void add_to_bins(const TimeGrid& grid, std::int64_t time, std::int64_t delta);

  std::vector<std::pair<std::int64_t, std::int64_t>> changes_;
  // Of changes within each bin: what they add to its integral, and to all later bins.
  std::vector<Wide> area_;
  std::vector<std::int64_t> step_;
};

// A number with so many digits, as JSON has it.
Value rounded(double number, int digits = 4);

}  // namespace viosim::report
