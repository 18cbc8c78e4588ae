// The grammar of JSON, one function for each kind of value.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/json_scanner.hpp"

#include "sim/recording/problem.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace viosim::recording {
namespace {

constexpr int depth_max = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// How many bytes the UTF-8 sequence starting here takes, by its first byte and the range of its
// second (Unicode 15, table 3-7); 0 when it is malformed.
std::size_t utf8_length(const unsigned char* s, std::size_t left) {
  const auto continues = [&](std::size_t i) { return i < left && (s[i] & 0xc0U) == 0x80U; };
  const unsigned lead = s[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || !continues(1)) return 0;
  if (lead < 0xe0) return 2;
  const unsigned second = s[1];
  if (lead < 0xf0) {
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    return continues(2) ? 3 : 0;
  }
  if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
  return continues(2) && continues(3) ? 4 : 0;
}

void append_utf8(std::string& to, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  constexpr std::uint64_t high_bits = 0x8080808080808080U;
  const auto* s = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t i = 0;
  while (i < bytes.size()) {
    std::uint64_t eight = high_bits;
    if (bytes.size() - i >= sizeof eight) std::memcpy(&eight, s + i, sizeof eight);
    if ((eight & high_bits) == 0) {
      i += sizeof eight;
      continue;
    }
    const std::size_t length = utf8_length(s + i, bytes.size() - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

JsonValue JsonScanner::value(int depth) {
  blanks();
  if (at_ == end_) fail_here("a value");
  const char* const begin = at_;
  const auto text = [&] { return std::string_view(begin, static_cast<std::size_t>(at_ - begin)); };
  switch (*at_) {
    case '"':
      return {JsonType::string, string()};
    case '{':
      skip_object(depth + 1);
      return {JsonType::object, text()};
    case '[':
      skip_array(depth + 1);
      return {JsonType::array, text()};
    case 't':
      return word("true", JsonType::boolean);
    case 'f':
      return word("false", JsonType::boolean);
    case 'n':
      return word("null", JsonType::null);
    default:
      return number();
  }
}

JsonValue JsonScanner::word(std::string_view spelled, JsonType type) {
  const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
  if (rest.substr(0, spelled.size()) != spelled) fail_here("a value");
  at_ += spelled.size();
  return {type, spelled};
}

JsonValue JsonScanner::number() {
  const char* const begin = at_;
  JsonType type = JsonType::integer;
  const auto digits = [&] {
    if (at_ == end_ || !is_digit(*at_)) fail_here("a value");
    while (at_ != end_ && is_digit(*at_)) ++at_;
  };
  take('-');
  if (take('0')) {
    if (at_ != end_ && is_digit(*at_)) fail_here("a number without leading zeros");
  } else {
    digits();
  }
  if (take('.')) {
    type = JsonType::real;
    digits();
  }
  if (take('e') || take('E')) {
    type = JsonType::real;
    if (!take('+')) take('-');
    digits();
  }
  return {type, std::string_view(begin, static_cast<std::size_t>(at_ - begin))};
}

void JsonScanner::skip_array(int depth) {
  if (depth > depth_max) fail("deeper nesting", fmt::format("at most {} levels", depth_max));
  ++at_;
  blanks();
  if (take(']')) return;
  do {
    value(depth);
    blanks();
  } while (take(','));
  expect(']', "',' or ']' after an element");
}

void JsonScanner::skip_object(int depth) {
  if (depth > depth_max) fail("deeper nesting", fmt::format("at most {} levels", depth_max));
  ++at_;
  blanks();
  if (take('}')) return;
  do {
    blanks();
    string();
    blanks();
    expect(':', "':' after a member's name");
    value(depth);
    blanks();
  } while (take(','));
  expect('}', "',' or '}' after a member");
}

std::string_view JsonScanner::string() {
  expect('"', "a string");
  const char* const begin = at_;
  while (at_ != end_ && *at_ != '"') {
    if (*at_ == '\\') return string_with_escapes(begin);
    if (static_cast<unsigned char>(*at_) < 0x20) fail_here("control characters to be escaped");
    ++at_;
  }
  const std::string_view text(begin, static_cast<std::size_t>(at_ - begin));
  expect('"', "the end of the string");
  return text;
}

std::string_view JsonScanner::string_with_escapes(const char* begin) {
  std::string& text = decoded_.emplace_front(begin, at_);
  while (at_ != end_ && *at_ != '"') {
    if (static_cast<unsigned char>(*at_) < 0x20) fail_here("control characters to be escaped");
    if (take('\\')) {
      escape(text);
    } else {
      text += *at_++;
    }
  }
  expect('"', "the end of the string");
  return text;
}

void JsonScanner::escape(std::string& to) {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
  if (at_ != end_ && letters.find(*at_) != std::string_view::npos) {
    to += meant[letters.find(*at_++)];
    return;
  }
  expect('u', "an escape sequence of JSON");
  std::uint32_t code = four_hex_digits();
  if (code >= 0xd800 && code < 0xdc00) {
    if (!take('\\') || !take('u')) fail_here("the second half of a surrogate pair");
    const std::uint32_t low = four_hex_digits();
    if (low < 0xdc00 || low > 0xdfff) fail_here("the second half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code <= 0xdfff) {
    fail_here("the first half of a surrogate pair");
  }
  append_utf8(to, code);
}

std::uint32_t JsonScanner::four_hex_digits() {
  std::uint32_t code = 0;
  for (int i = 0; i < 4; ++i) {
    if (at_ == end_) fail_here("four hexadecimal digits");
    const char c = *at_++;
    const std::string_view digits = "0123456789abcdef";
    const std::size_t digit = digits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    if (digit == std::string_view::npos) fail_here("four hexadecimal digits");
    code = code << 4 | static_cast<std::uint32_t>(digit);
  }
  return code;
}

void JsonScanner::fail_here(const char* expected) const {
  if (at_ == end_) fail("the end of the line", expected);
  const char c = *at_;
  if (c < ' ' || c > '~')
    fail(fmt::format("byte 0x{:02x}", static_cast<unsigned char>(c)), expected);
  fail(fmt::format("'{}'", c), expected);
}

void JsonScanner::fail(std::string_view read, std::string_view expected) {
  throw RecordingProblem(fmt::format("read {}, expected {}", read, expected));
}

}  // namespace viosim::recording
