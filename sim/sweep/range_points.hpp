// The values of a range: those that it counts, and those that may be drawn from it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/sweep.hpp"

#include <cstdint>
#include <optional>

namespace viosim {

// What a range can be where it cannot be any number: multiples of `step`, of which those from `first` x step to
// `last` x step lie within its ends; first > last: none. A range of real numbers without `multiple_of` has no steps.
struct RangeSteps {
  double step = 1;
  double first = 0;
  double last = 0;
};
std::optional<RangeSteps> steps_of(const RangeConfig& range);

// Number i of `count`, at least 2; ends that are no multiples are moved inwards.
RangeValue counted_value(const RangeConfig& range, std::uint64_t i);
// `share`: uniform in [0, 1). Of a linear range every step is as likely as any other; of a logarithmic one, step k
// with the logarithm of (k + 1) / k.
RangeValue drawn_value(const RangeConfig& range, double share);

}  // namespace viosim
