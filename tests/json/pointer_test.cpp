// Assignments to places in a document, good and bad.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/pointer.hpp"

#include "core/base/error.hpp"
#include "sim/json/parse.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

// The document after the assignment, or what the user is told.
std::string after(const std::string& assignment) {
  Value document = parse_json(
      R"({"seed": 1, "hosts": [{"name": "a"}, {"name": "b"}], "tags": ["x"], "none": [], "a/b": 0})",
      "f.json");
  try {
    set_assignment(document, assignment);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return to_text(document);
}

const std::string rest =
    R"("hosts": [{"name": "a"}, {"name": "b"}], "tags": ["x"], "none": [], "a/b": 0)";

}  // namespace

TEST_CASE("a value is JSON when it parses as such, and a text otherwise", "[json][pointer]") {
  CHECK(after("/seed=7") == "{\"seed\": 7, " + rest + "}");
  CHECK(after("/seed=20 ms") == "{\"seed\": \"20 ms\", " + rest + "}");
  CHECK(after("/seed=\"7\"") == "{\"seed\": \"7\", " + rest + "}");
  CHECK(after("/seed=") == "{\"seed\": \"\", " + rest + "}");
  CHECK(after("/seed=a=b") == "{\"seed\": \"a=b\", " + rest + "}");
  CHECK(after("/seed={\"x\": [1]}") == "{\"seed\": {\"x\": [1]}, " + rest + "}");
}

TEST_CASE("absent objects on the way are made", "[json][pointer]") {
  CHECK(after("/new/deep=1") == "{\"seed\": 1, " + rest + ", \"new\": {\"deep\": 1}}");
}

TEST_CASE("list items and escaped keys are found", "[json][pointer]") {
  CHECK(after("/hosts/1/name=c").find(R"([{"name": "a"}, {"name": "c"}])") != std::string::npos);
  CHECK(after("/a~1b=1").find(R"("a/b": 1)") != std::string::npos);
  CHECK(after("/m~0n=1").find(R"("m~n": 1)") != std::string::npos);
}

TEST_CASE("a bad pointer is told with what is there instead", "[json][pointer]") {
  CHECK(after("/seed") ==
        R"(--set: read "/seed"; expected a pointer and a value such as "/seed=7")");
  CHECK(
      after("seed=7") ==
      R"(--set: read "seed"; expected a JSON pointer such as "/hosts/0/name", which begins with '/')");
  CHECK(
      after("/hosts/2/name=c") ==
      R"(--set: /hosts/2/name: read "2" as a place in a list; the list has 2 items, number 0 to 1)");
  CHECK(after("/hosts/01=c") ==
        R"(--set: /hosts/01: read "01" as a place in a list; the list has 2 items, number 0 to 1)");
  CHECK(after("/tags/-=c") ==
        R"(--set: /tags/-: read "-" as a place in a list; the list has one item, number 0)");
  CHECK(after("/none/0=c") ==
        R"(--set: /none/0: read "0" as a place in a list; the list is empty)");
  CHECK(after("/seed/x=c") ==
        R"(--set: /seed/x: 1 is not an object or list, so there is no "x" in it)");
  CHECK(after("/a~2b=1") == "--set: /a~2b: a '~' must be written as ~0, and a '/' in a key as ~1");
  CHECK(after("/seed={\"x\": 1,}") ==
        "--set: /seed: line 1, column 9 of the value: remove the ',' before '}'");
  CHECK(after("/seed=\xff") == "--set: the pointer and its value must be text in UTF-8");
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "/a";
  CHECK(after(deep + "=1") == "--set: " + deep + ": goes more than 64 levels deep");
}
