// Fills the template, once and from left to right.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/page.hpp"

#include "core/base/error.hpp"
#include "sim/report/page_parts.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace viosim::report {
namespace {

// How many bytes the character at the beginning has; 0: it is not UTF-8 (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first < 0xe0   ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool beyond = (first == 0xed && byte(1) >= 0xa0) || (first == 0xf4 && byte(1) >= 0x90);
  return overlong || beyond ? 0 : length;
}

std::string policy() {
  const PageParts& parts = page_parts();
  return fmt::format(
      "default-src 'none'; script-src 'sha256-{}' 'sha256-{}'; style-src 'sha256-{}'; "
      "img-src data: blob:; base-uri 'none'; form-action 'none'",
      base64_of_hex(parts.vendor_hash), base64_of_hex(parts.script_hash),
      base64_of_hex(parts.style_hash));
}

}  // namespace

std::string embeddable(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const std::size_t length = utf8_length(json);
    if (length == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
    } else if (json.front() == '<') {
      out += "\\u003c";  // no end tag, and no comment
    } else {
      out += json.substr(0, length);
    }
    json.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string base64_of_hex(std::string_view hex) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto nibble = [](char c) {
    return static_cast<std::uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  std::string out;
  // Three bytes, six digits, are four characters of the result.
  for (std::size_t at = 0; at < hex.size(); at += 6) {
    const std::string_view six = hex.substr(at, 6);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 6; ++i) bits = bits << 4U | (i < six.size() ? nibble(six[i]) : 0);
    const std::size_t characters = six.size() / 2 + 1;
    for (std::size_t i = 0; i < 4; ++i)
      out += i < characters ? digits[bits >> (18 - 6 * i) & 63U] : '=';
  }
  return out;
}

std::string_view page_begin() {
  const std::string_view html = page_parts().html;
  return html.substr(0, html.find("{{"));
}

std::string page(std::string_view title, const Value& data) {
  const PageParts& parts = page_parts();
  const std::array<std::pair<std::string_view, std::string>, 6> contents = {{
      {"{{title}}", embeddable(escaped(title))},
      {"{{policy}}", policy()},
      {"{{style}}", std::string(parts.style)},
      {"{{vendor}}", std::string(parts.vendor)},
      {"{{script}}", std::string(parts.script)},
      {"{{data}}", embeddable(to_text(data))},
  }};
  std::string out;
  std::string_view rest = parts.html;
  for (std::size_t at = rest.find("{{"); at != std::string_view::npos; at = rest.find("{{")) {
    out += rest.substr(0, at);
    rest.remove_prefix(at);
    bool known = false;
    for (const auto& [name, content] : contents) {
      if (!rest.starts_with(name)) continue;
      known = true;
      out += content;
      rest.remove_prefix(name.size());
      break;
    }
    ensure(known, "the template of reports has no unknown places");
  }
  out += rest;
  return out;
}

}  // namespace viosim::report
