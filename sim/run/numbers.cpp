// Commas, plurals and prefixes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/numbers.hpp"

#include <fmt/format.h>

namespace viosim {

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::string rate_text(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.1f} M/s", per_second / 1e6);
  if (per_second >= 1e3) return fmt::format("{:.1f} K/s", per_second / 1e3);
  return fmt::format("{:.1f} /s", per_second);
}

}  // namespace viosim
