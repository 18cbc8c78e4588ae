// Grids, zipped lists, random points and Latin hypercubes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/design.hpp"

#include "core/base/rng.hpp"
#include "sim/sweep/range_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace viosim {
namespace {

Level level_of(const JsonPointer& pointer, Value value) {
  const std::string* text = value.if_text();
  return {text != nullptr ? *text : to_text(value), number_in(value),
          Settings{{{pointer, std::move(value)}}}};
}

Level level_of(const Variant& variant) { return {variant.name, std::nullopt, variant.set}; }

// Uniform in [0, 1), of 53 bits.
double draw_share(Rng& rng) { return static_cast<double>(rng.next() >> 11U) * 0x1p-53; }

std::vector<std::uint64_t> shuffled(std::uint64_t size, Rng& rng) {
  std::vector<std::uint64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  for (std::uint64_t i = size; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

// Of `count` values the one of each stratum, such that each comes as often as any other, or once
// more. Which ones do that, where they cannot all come equally often, is drawn.
std::vector<std::uint64_t> spread(std::vector<std::uint64_t> strata, std::uint64_t count,
                                  Rng& rng) {
  const std::uint64_t offset = rng.below(count);
  for (std::uint64_t& stratum : strata) stratum = (stratum * count + offset) / strata.size();
  return strata;
}

std::optional<std::uint64_t> count_of(const AxisConfig& axis) {
  if (const auto* values = std::get_if<ValuesAxis>(&axis)) return values->values.size();
  if (const auto* variants = std::get_if<VariantsAxis>(&axis)) return variants->variants.size();
  return std::get<RangeAxis>(axis).range.count;
}

[[noreturn]] void refuse(const std::string& file, std::string pointer, std::string message) {
  throw ConfigError(Problem{file, std::move(pointer), std::move(message)});
}

// Rounded values of a range may coincide.
void check_distinct(const RangeAxis& axis, std::size_t number, const std::string& file) {
  const std::uint32_t count = *axis.range.count;
  RangeValue last = counted_value(axis.range, 0);
  for (std::uint32_t i = 1; i < count; ++i) {
    const RangeValue value = counted_value(axis.range, i);
    if (value == last) {
      refuse(file, fmt::format("/axes/{}/range/count", number),
             fmt::format("read {}; expected fewer: value {} and the one before are both {}", count,
                         i + 1, to_text(last.value())));
    }
    last = value;
  }
}

}  // namespace

Design::Design(const Sweep& sweep, const std::string& file)
    : axes_(sweep.axes), kind_(sweep.design) {
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    counts_.push_back(count_of(axes_[a]));
    if (counts_.back() <= Sweep::most_runs) continue;  // none is less than any
    refuse(file, fmt::format("/axes/{}/range/count", a),
           fmt::format("read {}; expected at most {}", *counts_.back(), Sweep::most_runs));
  }
  if (kind_ == DesignKind::grid) count_grid(file);
  if (kind_ == DesignKind::zipped) count_zipped(file);
  if (sweep.points) points_ = *sweep.points;
  if (points_ > Sweep::most_runs / sweep.replicates_at_most()) {
    refuse(file, "",
           fmt::format("has {} points with up to {} replicates; expected at most {} runs", points_,
                       sweep.replicates_at_most(), Sweep::most_runs));
  }
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    const auto* range = std::get_if<RangeAxis>(&axes_[a]);
    if (range != nullptr && range->range.count) check_distinct(*range, a, file);
  }
  draw(sweep);
}

void Design::count_grid(const std::string& file) {
  for (const auto& count : counts_) {
    points_ *= *count;
    if (points_ > Sweep::most_runs)
      refuse(file, "/axes",
             fmt::format("make a grid of more than {} points; expected at most as many",
                         Sweep::most_runs));
  }
}

void Design::count_zipped(const std::string& file) {
  if (!counts_.empty()) points_ = *counts_.front();
  for (std::size_t a = 0; a < counts_.size(); ++a) {
    if (*counts_[a] == points_) continue;
    refuse(file, fmt::format("/axes/{}", a),
           fmt::format("has {} values; expected {} as axis \"{}\" has: they are zipped",
                       *counts_[a], points_, name_of(axes_.front())));
  }
}

// Each axis draws from a stream of its own, so that one more axis leaves the others as they were.
void Design::draw(const Sweep& sweep) {
  if (kind_ != DesignKind::random && kind_ != DesignKind::latin_hypercube) return;
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    Rng rng(sweep.seed, "design/" + name_of(axes_[a]));
    std::vector<std::uint64_t> strata;
    if (kind_ == DesignKind::latin_hypercube) strata = shuffled(points_, rng);
    Draws& draws = draws_.emplace_back();
    if (!strata.empty() && counts_[a]) {
      draws.numbers = spread(strata, *counts_[a], rng);
      continue;
    }
    for (std::uint64_t p = 0; p < points_; ++p) {
      const double share = draw_share(rng);
      draws.shares.push_back(strata.empty() ? share
                                            : (static_cast<double>(strata[p]) + share) /
                                                  static_cast<double>(points_));
    }
  }
}

Level Design::level(std::size_t axis, std::uint64_t number) const {
  const AxisConfig& config = axes_[axis];
  if (const auto* values = std::get_if<ValuesAxis>(&config))
    return level_of(values->pointer, values->values[number]);
  if (const auto* variants = std::get_if<VariantsAxis>(&config))
    return level_of(variants->variants[number]);
  const auto& range = std::get<RangeAxis>(config);
  return level_of(range.pointer, counted_value(range.range, number).value());
}

Level Design::drawn_level(std::size_t axis, std::uint64_t point) const {
  const Draws& draws = draws_[axis];
  if (!draws.numbers.empty()) return level(axis, draws.numbers[point]);
  const double share = draws.shares[point];
  if (const auto count = counts_[axis]) {
    const auto number = static_cast<std::uint64_t>(share * static_cast<double>(*count));
    return level(axis, std::min(number, *count - 1));
  }
  const auto& range = std::get<RangeAxis>(axes_[axis]);
  return level_of(range.pointer, drawn_value(range.range, share).value());
}

std::vector<Level> Design::point(std::uint64_t number) const {
  std::vector<Level> levels(axes_.size());
  std::uint64_t rest = number;
  for (std::size_t a = axes_.size(); a-- > 0;) {  // the last axis changes fastest
    if (!draws_.empty()) {
      levels[a] = drawn_level(a, number);
    } else if (kind_ == DesignKind::zipped) {
      levels[a] = level(a, number);
    } else {
      levels[a] = level(a, rest % *counts_[a]);
      rest /= *counts_[a];
    }
  }
  return levels;
}

}  // namespace viosim
