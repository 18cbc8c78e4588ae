// Texts that are no JSON, files that are no text, and what the user is told about them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/parse.hpp"

#include "core/base/error.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>
#include <rapidcheck.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace viosim;
using namespace std::string_literals;

namespace {

template <class Reading>
std::string complaint_of(Reading reading) {
  try {
    reading();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "fine";
}

std::string complaint(const std::string& text) {
  return complaint_of([&] { parse_json(text, "f.json"); });
}

std::string complaint(const std::filesystem::path& path) {
  return complaint_of([&] { read_json_file(path); });
}

struct Bad {
  std::string text;
  std::string complaint;
};

const std::string wanted =
    "expected a text in double quotes, a number such as 0.5, or true, false or null; found ";

// clang-format off
const std::vector<Bad> bad_places = {
    {R"({"a": 1,})", "f.json: line 1, column 9: remove the ',' before '}'"},
    {R"(["a", ])", "f.json: line 1, column 7: remove the ',' before ']'"},
    {R"({"a" 1})", "f.json: line 1, column 6: expected ':' and a value after the key, found '1'"},
    {R"({"a": })", "f.json: line 1, column 7: expected a value, found '}'"},
    {R"({"a": 1 "b": 2})", R"(f.json: line 1, column 9: expected ',' or '}', found "b")"},
    {R"({"a": 1 true})", "f.json: line 1, column 9: expected ',' or '}', found 'true'"},
    {R"(["a" "b"])", R"(f.json: line 1, column 6: expected ',' or ']', found "b")"},
    {R"([1, 2})", "f.json: line 1, column 6: expected ',' or ']', found '}'"},
    {"{]", "f.json: line 1, column 2: expected a key in double quotes, found ']'"},
    {"{a: 1}", "f.json: line 1, column 2: expected a key in double quotes, found 'a'"},
    {"{1: 1}", "f.json: line 1, column 2: expected a key in double quotes, found '1'"},
    {"}", "f.json: line 1, column 1: expected a value, found '}'"},
    {"{} {}", "f.json: line 1, column 4: expected nothing after the end of the document, found '{'"},
    {"{}\nx", "f.json: line 2, column 1: expected nothing after the end of the document, found 'x'"},
    {"{}}", "f.json: line 1, column 3: expected nothing after the end of the document, found '}'"},
    {"{\n  \"a\": [1",
     "f.json: line 2, column 10: the text ends, but the list that began at line "
     "2, column 8 is not closed with ']'"},
    {"{",
     "f.json: line 1, column 2: the text ends, but the object that began at line "
     "1, column 1 is not closed with '}'"},
    // Columns count characters, not bytes.
    {"{\"\u00e9\u00e9\": x}", "f.json: line 1, column 8: " + wanted + "'x'"},
};

const std::vector<Bad> bad_words = {
    {"[tru]", "f.json: line 1, column 2: " + wanted + "'tru'"},
    {"[NaN]", "f.json: line 1, column 2: " + wanted + "'NaN'"},
    {"[+1]", "f.json: line 1, column 2: " + wanted + "'+1'"},
    {"[.5]", "f.json: line 1, column 2: " + wanted + "'.5'"},
    {"[0x10]", "f.json: line 1, column 2: " + wanted + "'0x10'"},
    {"\xff", "f.json: line 1, column 1: " + wanted + "a character that is not JSON"},
    {"\xef\"x \x9e", "f.json: line 1, column 1: " + wanted + "a character that is not JSON"},
    // The user's words are not taken for the parser's.
    {R"({"invalid string": tru})", "f.json: line 1, column 20: " + wanted + "'tru'"},
    {R"({"number overflow": "\x"})",
     R"(f.json: line 1, column 23: unknown escape; after '\' expected one of " \ / )"
     R"(b f n r t u)"},
    {"['a']", "f.json: line 1, column 2: texts are quoted with '\"' in JSON, not with \"'\""},
    {"// no\n{}", "f.json: line 1, column 1: JSON has no comments; remove this one"},
    {"{} # no", "f.json: line 1, column 4: expected nothing after the end of the document, found '#'"},
    {"[1 /* no */]", "f.json: line 1, column 4: JSON has no comments; remove this one"},
    {"[01]", "f.json: line 1, column 3: a number must not begin with a needless 0"},
    {"[-]", "f.json: line 1, column 2: '-' is no number; expected digits, as in 12 or 0.5"},
    {"[1.]", "f.json: line 1, column 2: '1.' is no number; expected digits, as in 12 or 0.5"},
    {"[1e999]", "f.json: line 1, column 2: the number 1e999 is too large; the largest is 1.797e308"},
};

const std::vector<Bad> bad_texts = {
    {"[\"a", "f.json: line 1, column 2: the text that begins here has no closing quote"},
    {"[\"a\n\"]",
     "f.json: line 1, column 4: a text must end on the line it begins on; close "
     "it with '\"', or write \\n for a line break"},
    {"[\"a\x01\"]",
     "f.json: line 1, column 4: a text holds a control character; write it as an "
     "escape, such as \\t or \\u001b"},
    {"[\"\xff\"]", "f.json: line 1, column 3: these bytes are not UTF-8; save the file as UTF-8"},
    {"[\"\xc0\xaf\"]", "f.json: line 1, column 3: these bytes are not UTF-8; save the file as UTF-8"},
    {R"(["\x"])", R"(f.json: line 1, column 4: unknown escape; after '\' expected one of " \ / b f n r t u)"},
    {R"(["\u12"])", R"(f.json: line 1, column 7: after \u expected four hexadecimal digits)"},
    {R"(["\ud800"])",
     R"(f.json: line 1, column 9: half of a surrogate pair; write the character )"
     R"(itself, or both halves as \uD83D\uDE00)"},
};

const std::vector<Bad> bad_files = {
    {"", "f.json: is empty; expected a JSON document"},
    {" \n\t", "f.json: is empty; expected a JSON document"},
    {"\xef\xbb\xbf{}", "f.json: line 1, column 1: begins with a byte order mark; save the file as UTF-8 without one"},
    {"\xff\xfe{\0}\0"s,
     "f.json: line 1, column 1: begins with a byte order mark; save the file as "
     "UTF-8 without one"},
    {"{}\0{}"s, "f.json: line 1, column 3: holds a NUL byte; expected JSON text in UTF-8"},
    {"{\"a\": 1,\n \"b\": [{\"c\": 1,\n \"c\": 2}],\n \"a\": 2}",
     "f.json: /b/0/c: the key \"c\" appears twice, on line 2 and on line 3; keep one of them\n"
     "f.json: /a: the key \"a\" appears twice, on line 1 and on line 4; keep one of them"},
    {R"({"a": 1, "a": 2})", R"(f.json: /a: the key "a" appears twice, on line 1; keep one of them)"},
    // Two spellings of one key are one key.
    {R"({"a": 1, "\u0061": 2})", R"(f.json: /a: the key "a" appears twice, on line 1; keep one of them)"},
};
// clang-format on

void check_complaints(const std::vector<Bad>& table) {
  for (const Bad& bad : table) {
    INFO(bad.text);
    CHECK(complaint(bad.text) == bad.complaint);
  }
}

// A file that is gone when the test is. Each test runs in a process of its own.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("viosim-json-" + std::to_string(::getpid()) + ".json");
};

}  // namespace

TEST_CASE("a sign in the wrong place is told with what belongs there", "[json][parse]") {
  check_complaints(bad_places);
}

TEST_CASE("a word that is no JSON is told with what is", "[json][parse]") {
  check_complaints(bad_words);
}

TEST_CASE("a broken text is told with how to mend it", "[json][parse]") {
  check_complaints(bad_texts);
}

TEST_CASE("a file that is not JSON as a whole is told so", "[json][parse]") {
  check_complaints(bad_files);
}

TEST_CASE("the depth limit holds from both sides", "[json][parse]") {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(complaint(nested(json_depth_limit)) == "fine");
  CHECK(complaint(nested(json_depth_limit + 1)) ==
        "f.json: line 1, column 65: nested more than 64 levels deep");
}

TEST_CASE("the limit on values stops a file that would fill the memory", "[json][parse]") {
  std::string text = "[0";
  while (text.size() < 2 * json_value_limit + 10) text += ",0";
  CHECK(complaint(text + "]") ==
        "f.json: holds more than 4000000 values; expected a scenario or sweep, which have some "
        "hundreds");
}

TEST_CASE("a gigabyte is refused before any of it is read", "[json][parse]") {
  const TemporaryFile file;
  std::ofstream(file.path()).close();
  // A hole reads as NUL bytes: had they been read, the complaint would be about them.
  std::filesystem::resize_file(file.path(), std::uintmax_t{1} << 30U);
  CHECK(complaint(file.path()) ==
        file.path().string() +
            ": is larger than 64 MiB; expected a scenario or sweep, which are some kilobytes");
}

TEST_CASE("the size limit holds from both sides, and brackets end at the depth limit",
          "[json][parse]") {
  CHECK(complaint(std::string(json_size_limit, '[')) ==
        "f.json: line 1, column 65: nested more than 64 levels deep");
  CHECK(complaint(std::string(json_size_limit + 1, '[')) ==
        "f.json: is larger than 64 MiB; expected a scenario or sweep, which are some kilobytes");
}

TEST_CASE("a device that never ends is read no further than the limit", "[json][parse]") {
  CHECK(complaint(std::filesystem::path("/dev/zero")).find("is larger than 64 MiB") !=
        std::string::npos);
}

TEST_CASE("a path that is no readable file is told by its name", "[json][parse]") {
  CHECK(complaint(std::filesystem::path("/nowhere/f.json")) ==
        "/nowhere/f.json: cannot open: No such file or directory");
  CHECK(complaint(std::filesystem::path("/")) == "/: is a directory; expected a JSON file");
}

TEST_CASE("a file is read as its text is", "[json][parse]") {
  const TemporaryFile file;
  std::ofstream(file.path()) << "{\"a\": [1, -2, 0.5, true, null, \"\\u00e9\"]}\n";
  CHECK(to_text(read_json_file(file.path())) == "{\"a\": [1, -2, 0.5, true, null, \"\u00e9\"]}");
}

TEST_CASE("every text is accepted or refused as the parser beneath does", "[json][parse]") {
  // Pieces that meet in every possible wrong way; without duplicate keys, NUL and deep nesting,
  // where we are stricter on purpose.
  const auto pieces = rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("{", "}", "[", "]", ",", ":", "1", "-2.5e1", "\"a\"", "\"\\n\"",
                                    "true", "null", " ", "\n", "tru", "\"", "\\", "\xc3\xa9"));
  const bool held = rc::check([&] {
    std::string text;
    for (const std::string& piece : *pieces) text += piece;
    if (text.find_first_not_of(" \n") == std::string::npos) return;
    const bool duplicate = complaint(text).find("appears twice") != std::string::npos;
    if (!duplicate) RC_ASSERT((complaint(text) == "fine") == nlohmann::json::accept(text));
  });
  CHECK(held);
}
