// The JSON scanner: what it accepts, and what it refuses with a message.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/json_scanner.hpp"

#include "core/base/rng.hpp"
#include "sim/recording/problem.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::recording;

namespace {

// What the scanner makes of a line, or nullopt when it refuses it.
std::optional<std::map<std::string, std::string>> scan(const std::string& line) {
  std::map<std::string, std::string> members;
  try {
    if (!is_utf8(line)) return std::nullopt;
    JsonScanner(line).object([&](std::string_view key, const JsonValue& value) {
      members[std::string(key)] = std::string(value.text);
    });
  } catch (const RecordingProblem&) {
    return std::nullopt;
  }
  return members;
}

}  // namespace

TEST_CASE("members come with their type and text", "[recording][json]") {
  const auto members =
      scan(R"( {"a":1, "b" : "x\u0041\n", "c":[1,{"d":2}],"e":-1.5e3,"f":null } )");
  REQUIRE(members);
  CHECK(*members ==
        std::map<std::string, std::string>{
            {"a", "1"}, {"b", "xA\n"}, {"c", R"([1,{"d":2}])"}, {"e", "-1.5e3"}, {"f", "null"}});
}

TEST_CASE("escaped names are the names they stand for", "[recording][json]") {
  CHECK(*scan(R"({"\u006b":1})") == std::map<std::string, std::string>{{"k", "1"}});
  CHECK(*scan(R"({"x":"\ud83d\ude00"})") ==
        std::map<std::string, std::string>{{"x", "\xf0\x9f\x98\x80"}});
}

TEST_CASE("UTF-8 is checked as Unicode defines it", "[recording][json]") {
  CHECK(is_utf8("plain text of more than eight bytes"));
  CHECK(is_utf8("\xc2\x80 \xe0\xa0\x80 \xed\x9f\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
  for (const char* bad :
       {"\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "long enough \xff text here"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}

// An independent parser as judge: random damage to lines is accepted or refused alike.
TEST_CASE("the scanner accepts what a full JSON parser accepts", "[recording][json]") {
  const std::vector<std::string> seeds = {
      R"({"t":0,"k":"ctx_reset"})",
      R"({"a":[1,2.5,-3e+7,true,false,null,"s"],"b":{"c":{"d":[]}},"e":""})",
      R"({ "x" : "\"\\\/\b\f\n\r\t\u00e9" , "y" : 0 })", "{\"z\":\"\xc3\xa9\"}", "{}"};
  const std::string alphabet = "{}[]\",:0123456789.eE+-\\untrflase \t\x01\xc3\xa9";
  Rng rng(GENERATE(1U, 2U, 3U), "damage");
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string line = seeds[rng.below(seeds.size())];
    for (std::uint64_t edits = rng.below(4); edits > 0; --edits) {
      const std::size_t place = rng.below(line.size());
      const char letter = alphabet[rng.below(alphabet.size())];
      switch (rng.below(3)) {
        case 0:
          line[place] = letter;
          break;
        case 1:
          line.insert(place, 1, letter);
          break;
        default:
          line.erase(place, 1);
          if (line.empty()) line.push_back(' ');
      }
    }
    const bool judged = nlohmann::json::accept(line) && nlohmann::json::parse(line).is_object();
    INFO(line);
    REQUIRE(scan(line).has_value() == judged);
    accepted += judged ? 1 : 0;
  }
  CHECK(accepted > 4'000);  // both sides were tried
  CHECK(accepted < 16'000);
}
