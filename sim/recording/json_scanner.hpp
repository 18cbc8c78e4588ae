// Reads one line of JSON (RFC 8259) in place: no tree, no copies of strings without escapes. An
// object's members are handed to a visitor; what lies deeper is checked and kept as text.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <forward_list>
#include <string>
#include <string_view>

namespace viosim::recording {

enum class JsonType : std::uint8_t { absent, null, boolean, integer, real, string, array, object };

struct JsonValue {
  JsonType type = JsonType::absent;
  std::string_view text;  // strings: decoded, without quotes; all else: as it stands in the line
};

// True when the bytes are well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes);

class JsonScanner {
 public:
  // Throws RecordingProblem. Decoded strings live until the scanner goes.
  explicit JsonScanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // The whole text is one object: visit(key, value) for each member in order.
  template <class Visit>
  void object(Visit&& visit) {
    blanks();
    if (at_ == end_) fail("nothing", "a JSON object");
    expect('{', "a JSON object");
    blanks();
    if (!take('}')) {
      do {
        blanks();
        const std::string_view key = string();
        blanks();
        expect(':', "':' after a member's name");
        visit(key, value(0));
        blanks();
      } while (take(','));
      expect('}', "',' or '}' after a member");
    }
    blanks();
    if (at_ != end_) fail_here("the end of the line after the object");
  }

 private:
  void blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  void expect(char c, const char* expected) {
    if (!take(c)) fail_here(expected);
  }

  JsonValue value(int depth);
  JsonValue number();
  JsonValue word(std::string_view spelled, JsonType type);
  void skip_array(int depth);
  void skip_object(int depth);
  std::string_view string();
  std::string_view string_with_escapes(const char* begin);
  void escape(std::string& to);
  std::uint32_t four_hex_digits();

  [[noreturn]] void fail_here(const char* expected) const;
  [[noreturn]] static void fail(std::string_view read, std::string_view expected);

  const char* at_;
  const char* end_;
  std::forward_list<std::string> decoded_;
};

}  // namespace viosim::recording
