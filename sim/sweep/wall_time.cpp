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

constexpr std::size_t most_decimals = 3;  // so that no text but of ms is above 0 and below 1 ms

std::string_view number_of(std::string_view text) {
  return text.substr(0, std::min(text.find_first_not_of("0123456789."), text.size()));
}

std::size_t decimals_of(std::string_view number) {
  const std::size_t point = number.find('.');
  return point == std::string_view::npos ? 0 : number.size() - point - 1;
}

// In milliseconds; nothing: it is not written as a wall time.
std::optional<double> number_in_ms(std::string_view text) {
  const std::string_view number = number_of(text);
  if (number.empty() || number.front() == '.' || number.back() == '.') return std::nullopt;
  double value = 0;
  const char* const last = number.data() + number.size();
  const auto [end, error] = std::from_chars(number.data(), last, value, std::chars_format::fixed);
  if (error != std::errc() || end != last) return std::nullopt;
  text.remove_prefix(number.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto* const unit = std::find_if(
      units.begin(), units.end(), [&](const WallTimeUnit& known) { return known.name == text; });
  if (unit == units.end()) return std::nullopt;
  return value * static_cast<double>(unit->size.count());
}

std::string why_no_wall_time(std::string_view text) {
  const std::string_view digits = number_of(text);
  if (std::count(digits.begin(), digits.end(), '.') == 1 && decimals_of(digits) > most_decimals)
    return fmt::format("it has at most {} decimals", most_decimals);
  const std::optional<double> number = number_in_ms(text);
  if (number && *number < 1) return *number == 0 ? "it must be above 0" : "it is at least 1 ms";
  return why_not_quantity(text, names_of_units(),
                          "it is at most " + TextForm<WallTime>::write(longest_wall_time));
}

// Numbers below `most`, and itself without a fraction: of 24000 "[0-9]{1,4}|1[0-9]{4}|2[0-3][0-9]{3}" and "24000".
std::string pattern_up_to(std::int64_t most) {
  const std::string digits = std::to_string(most);
  std::string below = fmt::format("[0-9]{{1,{}}}", digits.size() - 1);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const char least = i == 0 ? '1' : '0';
    if (digits[i] <= least) continue;
    const char most_here = static_cast<char>(digits[i] - 1);
    const std::string here =
        least == most_here ? std::string(1, least) : fmt::format("[{}-{}]", least, most_here);
    below += fmt::format("|{}{}[0-9]{{{}}}", digits.substr(0, i), here, digits.size() - i - 1);
  }
  return fmt::format("0*(({})(\\.[0-9]{{1,{}}})?|{}(\\.0{{1,{}}})?)", below, most_decimals, digits,
                     most_decimals);
}

// The lookahead keeps out what is zero, and fractions of a millisecond.
std::string pattern_of_wall_times() {
  std::vector<std::string> all;
  all.reserve(units.size());
  for (const WallTimeUnit& unit : units)
    all.push_back(pattern_up_to(longest_wall_time.value() / unit.size) +
                  fmt::format(" *{}", unit.name));
  return fmt::format("^(?!0+(\\.0+)? *[a-z]|0+\\.[0-9]+ *ms)({})$", fmt::join(all, "|"));
}
const std::string pattern = pattern_of_wall_times();

}  // namespace

const TextFormInfo TextForm<WallTime>::info = {"time", "a time such as \"30 s\"", pattern,
                                               why_no_wall_time};

std::optional<WallTime> TextForm<WallTime>::parse(std::string_view text) {
  const std::optional<double> number = number_in_ms(text);
  if (!number || decimals_of(number_of(text)) > most_decimals || *number < 1 ||
      *number > static_cast<double>(longest_wall_time.value().count()))
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
