// Wall times as texts: "30 s", "1.5 h", "30 d".
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/wall_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <vector>

namespace viosim {
namespace {

using std::chrono::milliseconds;

struct WallTimeUnit {
  std::string_view name;
  milliseconds size;
};

// Smallest first.
constexpr std::array units = {
    WallTimeUnit{"ms", milliseconds(1)}, WallTimeUnit{"s", std::chrono::seconds(1)},
    WallTimeUnit{"min", std::chrono::minutes(1)}, WallTimeUnit{"h", std::chrono::hours(1)},
    WallTimeUnit{"d", std::chrono::days(1)}};

std::vector<std::string_view> names_of_units() {
  std::vector<std::string_view> names;
  names.reserve(units.size());
  for (const WallTimeUnit& unit : units) names.push_back(unit.name);
  return names;
}

// In milliseconds; nothing: it is not written as a wall time.
std::optional<double> number_in_ms(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, digits);
  if (number.empty() || number.front() == '.' || number.back() == '.') return std::nullopt;
  double value = 0;
  const char* const last = number.data() + number.size();
  const auto [end, error] = std::from_chars(number.data(), last, value, std::chars_format::fixed);
  if (error != std::errc() || end != last) return std::nullopt;
  text.remove_prefix(digits);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto* const unit = std::find_if(
      units.begin(), units.end(), [&](const WallTimeUnit& known) { return known.name == text; });
  if (unit == units.end()) return std::nullopt;
  return value * static_cast<double>(unit->size.count());
}

std::string why_no_wall_time(std::string_view text) {
  const std::optional<double> number = number_in_ms(text);
  if (number && *number < 1) return *number == 0 ? "it must be above 0" : "it is at least 1 ms";
  return why_not_quantity(text, names_of_units(),
                          "it is at most " + TextForm<WallTime>::write(longest_wall_time));
}

}  // namespace

// The lookahead keeps zero out.
const TextFormInfo TextForm<WallTime>::info = {
    "time", "a time such as \"30 s\"", "^(?!0+(\\.0+)? *[a-z])[0-9]+(\\.[0-9]+)? *(ms|s|min|h|d)$",
    why_no_wall_time};

std::optional<WallTime> TextForm<WallTime>::parse(std::string_view text) {
  const std::optional<double> number = number_in_ms(text);
  if (!number || *number < 1 || *number > static_cast<double>(longest_wall_time.value().count()))
    return std::nullopt;
  return WallTime(milliseconds(std::llround(*number)));
}

std::string TextForm<WallTime>::write(WallTime time) {
  const auto largest = std::find_if(units.rbegin(), units.rend(), [&](const WallTimeUnit& unit) {
    return time.value() % unit.size == milliseconds(0);
  });
  return fmt::format("{} {}", time.value() / largest->size, largest->name);
}

}  // namespace viosim
