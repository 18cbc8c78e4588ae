// How limits are said.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace viosim {
namespace {

// Ends of real numbers are mostly whole: "1", not "1.0".
std::string end_text(const Value& end) {
  std::string text = to_text(end);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

}  // namespace

std::string range_words(const ValueBounds& bounds) {
  const bool excluded = bounds.lowest_excluded || bounds.highest_excluded;
  if (bounds.lowest && bounds.highest && !excluded)
    return fmt::format("from {} to {}", end_text(*bounds.lowest), end_text(*bounds.highest));
  std::string text;
  if (bounds.lowest) {
    text = fmt::format("{} {}", bounds.lowest_excluded ? "more than" : "at least",
                       end_text(*bounds.lowest));
  }
  if (bounds.highest) {
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ",
                    bounds.highest_excluded ? "less than" : "at most", end_text(*bounds.highest));
  }
  return text;
}

std::string words(const ValueBounds& bounds, std::string_view plain) {
  if (!bounds.listed.empty()) {
    std::vector<std::string> texts;
    for (const Value& value : bounds.listed) texts.push_back(to_text(value));
    return fmt::format("one of {}", fmt::join(texts, ", "));
  }
  const std::string range = range_words(bounds);
  std::string kind(plain);
  if (bounds.divisor) kind = fmt::format("a multiple of {}", to_text(*bounds.divisor));
  if (bounds.power_of_two) kind = "a power of two";
  if (kind.empty() || range.empty()) return kind + range;
  return fmt::format("{}{}{}", kind, range.starts_with("from") ? " " : ", ", range);
}

std::string words(const ItemLimits& limits) {
  if (limits.highest && *limits.highest == limits.lowest)
    return fmt::format("{} of them", limits.lowest);
  std::string text;
  if (limits.lowest > 0)
    text = limits.lowest == 1 ? "at least one" : fmt::format("at least {}", limits.lowest);
  if (limits.highest)
    text += fmt::format("{}at most {}", text.empty() ? "" : ", ", *limits.highest);
  return text;
}

std::string unquoted(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '"'), text.end());
  return text;
}

std::string sentence_of(std::string words) {
  if (words.empty()) return words;
  words.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(words.front())));
  return words + '.';
}

}  // namespace viosim
