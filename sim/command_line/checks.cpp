// What the words of a command line are checked for.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace viosim {

CLI::Validator one_of(const std::vector<std::string>& choices) {
  return CLI::Validator(
      [choices](std::string& text) -> std::string {
        if (std::find(choices.begin(), choices.end(), text) != choices.end()) return {};
        return fmt::format("read \"{}\"; expected \"{}\"", text, fmt::join(choices, "\" or \""));
      },
      "");
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return CLI::Validator(
      [least, most](std::string& text) -> std::string {
        std::uint64_t number = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, number) == std::from_chars_result{end, {}} &&
            number >= least && number <= most)
          return {};
        return fmt::format("read \"{}\"; expected a whole number from {} to {}", text, least, most);
      },
      "");
}

CLI::Validator named(const char* what) {
  return CLI::Validator(
      [what](std::string& text) -> std::string {
        return text.empty() ? fmt::format("read \"\"; expected the name of a {}", what) : "";
      },
      "");
}

CLI::Validator number_between(double low, double high, const std::string& expected) {
  return CLI::Validator(
      [low, high, expected](std::string& text) -> std::string {
        double number = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, number) == std::from_chars_result{end, {}} &&
            number > low && number < high)
          return {};
        return fmt::format("read \"{}\"; expected {}", text, expected);
      },
      "");
}

CLI::Option* repeatable(CLI::Option* option) {
  return option->expected(1)->take_all()->allow_extra_args(false);
}

}  // namespace viosim
