// How long a run may take: real time, not what is simulated.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/strong.hpp"
#include "sim/json/text_form.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace viosim {

// A text has at most three decimals, and is rounded to whole milliseconds.
using WallTime = Strong<struct WallTimeTag, std::chrono::milliseconds>;
inline constexpr WallTime longest_wall_time{std::chrono::days(1000)};

template <>
struct TextForm<WallTime> {
  static const TextFormInfo info;
  static std::optional<WallTime> parse(std::string_view text);  // from 1 ms to the longest
  static std::string write(WallTime time);
};

}  // namespace viosim
