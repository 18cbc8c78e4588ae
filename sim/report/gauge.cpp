// Changes, and their means over bins.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/gauge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace viosim::report {

TimeGrid TimeGrid::until(std::int64_t end) {
  TimeGrid grid;
  grid.end = std::max<std::int64_t>(end, 1);
  grid.width = (grid.end + most_bins - 1) / most_bins;
  grid.bins = static_cast<std::size_t>((grid.end + grid.width - 1) / grid.width);
  return grid;
}

void Gauge::fold(const TimeGrid& grid) {
  area_.resize(grid.bins);
  step_.resize(grid.bins);
  for (const auto& [time, delta] : changes_) add_to_bins(grid, time, delta);
  changes_ = {};
}

void Gauge::add_to_bins(const TimeGrid& grid, std::int64_t time, std::int64_t delta) {
  const std::size_t bin = grid.bin_of(time);
  const std::int64_t until = (static_cast<std::int64_t>(bin) + 1) * grid.width;
  area_[bin] += static_cast<Wide>(until - time) * delta;
  step_[bin] += delta;
}

void Gauge::merge(const TimeGrid& grid, const Gauge& other) {
  if (!other.exact()) {
    if (exact()) fold(grid);
    for (std::size_t bin = 0; bin < grid.bins; ++bin) {
      area_[bin] += other.area_[bin];
      step_[bin] += other.step_[bin];
    }
  }
  for (const auto& [time, delta] : other.changes_) add(grid, time, delta);
}

Value Gauge::json(const TimeGrid& grid) const {
  Value::Object object;
  std::int64_t level = 0;
  if (!exact()) {
    Value::Array means;
    for (std::size_t bin = 0; bin < grid.bins; ++bin) {
      const double added = static_cast<double>(area_[bin]) / static_cast<double>(grid.width);
      means.push_back(rounded(static_cast<double>(level) + added));
      level += step_[bin];
    }
    viosim::add(object, "mean", std::move(means));
    return Value(std::move(object));
  }
  auto sorted = changes_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Value::Array times;
  Value::Array levels;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    level += sorted[i].second;
    if (i + 1 < sorted.size() && sorted[i + 1].first == sorted[i].first) continue;
    times.emplace_back(sorted[i].first);
    levels.emplace_back(level);
  }
  viosim::add(object, "t", std::move(times));
  viosim::add(object, "v", std::move(levels));
  return Value(std::move(object));
}

Value rounded(double number, int digits) {
  if (!std::isfinite(number)) return {};
  if (number == std::trunc(number) && std::abs(number) < 1e15)
    return Value(static_cast<std::int64_t>(number));
  const std::string text = fmt::format("{:.{}g}", number, digits);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return Value(number);
}

}  // namespace viosim::report
