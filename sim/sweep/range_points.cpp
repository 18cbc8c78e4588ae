// Steps between the ends of a range.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/range_points.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace viosim {
namespace {

RangeValue::Kind kind_of(const RangeConfig& range) {
  using Kind = RangeValue::Kind;
  const bool real = range.from.kind() == Kind::real || range.to.kind() == Kind::real ||
                    (range.multiple_of && range.multiple_of->kind() == Kind::real);
  return real ? Kind::real : range.from.kind();
}

// `part`: 0 is `from`, 1 is `to`: these two are exact, which what is computed is not.
double between(Scale scale, double from, double to, double part) {
  if (part == 0 || part == 1) return part == 0 ? from : to;
  return scale == Scale::linear ? from + part * (to - from) : from * std::pow(to / from, part);
}

// Of a step that is written with few decimals the multiple that is written so, too: three times 0.1 is 0.3.
double times_step(double times, double step) {
  constexpr double most = 1e15;
  for (double scale = 1; scale <= most; scale *= 10) {
    const double units = std::round(step * scale);
    if (units / scale == step && std::abs(times * units) <= most) return times * units / scale;
  }
  return times * step;
}

// Two real numbers that are written as decimals, one times the other, are off by at most three halves of this part:
// 0.3 is three times 0.1. Whole numbers, picoseconds and bytes are exact.
constexpr double rounding = 2 * std::numeric_limits<double>::epsilon();

bool is_multiple(double value, double times, double step, bool real) {
  return std::abs(times * step - value) <= (real ? rounding * std::abs(value) : 0);
}

// Between which multiples a value lies; both are the same where it is one. What is left over by fmod() is exact, so the
// rest is a multiple, but for a real number's rounding.
struct Neighbours {
  double below = 0;
  double above = 0;
};
Neighbours neighbours_of(double value, double step, bool real) {
  const double nearest = std::round(value / step) + 0.0;  // without the sign of -0
  if (is_multiple(value, nearest, step, real)) return {nearest, nearest};
  const double left = std::fmod(value, step);
  const double towards_zero = std::round((value - left) / step) + 0.0;
  return left < 0 ? Neighbours{towards_zero - 1, towards_zero}
                  : Neighbours{towards_zero, towards_zero + 1};
}

// A multiple of `step`; an end of the range that is one is that end, to the last bit.
RangeValue multiple(const RangeConfig& range, double step, double times) {
  const RangeValue::Kind kind = kind_of(range);
  for (const double end : {range.from.number(), range.to.number()}) {
    if (is_multiple(end, times, step, kind == RangeValue::Kind::real)) return {kind, end};
  }
  return {kind, times_step(times, step)};
}

}  // namespace

std::optional<RangeSteps> steps_of(const RangeConfig& range) {
  const bool real = kind_of(range) == RangeValue::Kind::real;
  if (real && !range.multiple_of) return std::nullopt;
  const double step = range.multiple_of ? range.multiple_of->number() : 1;
  const auto [low, high] = std::minmax({range.from.number(), range.to.number()});
  return RangeSteps{step, neighbours_of(low, step, real).above,
                    neighbours_of(high, step, real).below};
}

RangeValue counted_value(const RangeConfig& range, std::uint64_t i) {
  const double part = static_cast<double>(i) / (*range.count - 1.0);
  double from = range.from.number();
  double to = range.to.number();
  if (!range.multiple_of) return {kind_of(range), between(range.scale, from, to, part)};
  const RangeSteps steps = *steps_of(range);
  from = from <= to ? steps.first : steps.last;
  to = range.from.number() <= to ? steps.last : steps.first;
  return multiple(range, steps.step, std::round(between(range.scale, from, to, part)));
}

RangeValue drawn_value(const RangeConfig& range, double share) {
  const auto steps = steps_of(range);
  if (!steps)
    return {kind_of(range), between(range.scale, range.from.number(), range.to.number(), share)};
  // An interval that is one wider, rounded down: all steps have the same room.
  const double drawn = std::floor(between(range.scale, steps->first, steps->last + 1, share));
  return multiple(range, steps->step, std::clamp(drawn, steps->first, steps->last));
}

}  // namespace viosim
