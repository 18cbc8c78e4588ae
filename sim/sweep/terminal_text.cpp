// Finds control characters in UTF-8.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/terminal_text.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace viosim {
namespace {

struct Control {
  std::uint32_t code;
  std::size_t bytes;  // 0: there is none
};

// The one that the text begins with.
Control control_at(std::string_view text) {
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint32_t>(
        static_cast<unsigned char>(at < text.size() ? text[at] : ' '));
  };
  const std::uint32_t first = byte(0);
  if (first < 0x20 || first == 0x7f) return {first, 1};
  if (first == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return {byte(1), 2};
  if (first != 0xe2) return {0, 0};
  const std::uint32_t code = 0x2000U | (byte(1) & 0x3fU) << 6U | (byte(2) & 0x3fU);
  const bool turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return turns ? Control{code, 3} : Control{0, 0};
}

std::string escaped(std::string_view text, std::string_view remaining) {
  std::string shown;
  while (!text.empty()) {
    const Control control = control_at(text);
    if (control.bytes == 0 || remaining.find(text.front()) != std::string_view::npos) {
      shown += text.front();
      text.remove_prefix(1);
      continue;
    }
    shown += control.code == '\n'   ? "\\n"
             : control.code == '\t' ? "\\t"
                                    : fmt::format("\\u{:04x}", control.code);
    text.remove_prefix(control.bytes);
  }
  return shown;
}

}  // namespace

std::string terminal_text(std::string_view text) { return escaped(text, {}); }

std::string terminal_lines(std::string_view text) { return escaped(text, "\n\t"); }

}  // namespace viosim
