// Ranges of numbers, written and read.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/run_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace viosim {
namespace {

constexpr std::uint64_t most_numbers = 100'000'000;  // of a text that is not damaged

bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string run_set_text(std::vector<std::uint64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::string text;
  for (std::size_t first = 0; first < numbers.size();) {
    std::size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(numbers[first]);
    if (last != first) text += fmt::format("-{}", numbers[last]);
    first = last + 1;
  }
  return text;
}

std::optional<std::vector<std::uint64_t>> parse_run_set(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  do {
    std::uint64_t first = 0;
    if (!take_number(text, first)) return std::nullopt;
    std::uint64_t last = first;
    if (take(text, '-') && !take_number(text, last)) return std::nullopt;
    if (last < first || last - first >= most_numbers - numbers.size()) return std::nullopt;
    if (!numbers.empty() && first <= numbers.back()) return std::nullopt;
    for (std::uint64_t number = first; number != last; ++number) numbers.push_back(number);
    numbers.push_back(last);
  } while (take(text, ','));
  if (!text.empty()) return std::nullopt;
  return numbers;
}

}  // namespace viosim
