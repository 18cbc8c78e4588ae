// What sweep files may say, and what is said of those that are wrong: exact words, for users read them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/json_schema.hpp"
#include "tests/sweep/samples.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace viosim;
using test::problems_of;

namespace {

std::string axes(const std::string& content) { return R"(, "axes": [)" + content + "]"; }
std::string axis(const std::string& content) {
  return axes(R"({"name": "x", "pointer": "/x", )" + content + "}");
}
std::string range(const std::string& content) { return axis(R"("range": {)" + content + "}"); }

}  // namespace

TEST_CASE("what a sweep says is read, and read again the same when it is written", "[sweep]") {
  const Sweep sweep = test::sweep_of(
      R"(, "seed": 3, "seeds": "common", "design": "random", "points": 9, "set": {"/expect": []},
         "axes": [{"name": "a", "pointer": "/a", "values": [1, "2 ns", null, {"k": []}]},
                  {"name": "b", "pointer": "/b", "range": {"from": "1 ns", "to": "1 us",
                   "scale": "logarithmic", "multiple_of": "1 ns"}},
                  {"name": "c", "variants": [{"name": "v", "set": {"/c/d~1e": 1}}]}],
         "stop": {"metric": "h.m", "half_width": "5 %", "confidence": 0.99},
         "keep": ["h"], "limits": {"wall": "30 s", "memory": "2 GiB"})");
  CHECK(sweep.limits.wall == WallTime(30s));
  CHECK(sweep.replicates_at_most() == 100);
  CHECK(read_document<Sweep>(write(sweep), "again") == sweep);
}

TEST_CASE("limits of wall time may be longer than what can be simulated", "[sweep]") {
  const auto wall = [](const std::string& text) {
    return test::sweep_of(R"(, "limits": {"wall": ")" + text + "\"}").limits.wall;
  };
  CHECK(wall("86400 s") == WallTime(std::chrono::days(1)));
  CHECK(wall("30 d") == WallTime(std::chrono::days(30)));
  CHECK(wall("1.5 h") == WallTime(std::chrono::minutes(90)));
  CHECK(wall("0.1d") == WallTime(std::chrono::minutes(144)));
  CHECK(wall("20 min") == WallTime(std::chrono::minutes(20)));
  CHECK(wall("250 ms") == WallTime(std::chrono::milliseconds(250)));
  CHECK(wall("1000 d") == longest_wall_time);
  CHECK(LimitsConfig().wall == WallTime(std::chrono::hours(1)));
}

TEST_CASE("a wall time is written in the largest unit that it is whole in", "[sweep]") {
  using Form = TextForm<WallTime>;
  for (const char* text : {"1 ms", "1001 ms", "90 s", "90 min", "1 h", "25 h", "30 d", "1000 d"})
    CHECK(Form::write(*Form::parse(text)) == text);
  CHECK(Form::write(*Form::parse("3600 s")) == "1 h");
}

TEST_CASE("what is no wall time is refused, and it is said why", "[sweep]") {
  const auto refused = [](const std::string& text) {
    return problems_of(R"(, "limits": {"wall": ")" + text + "\"}");
  };
  CHECK_THAT(refused("0.0 h"), Catch::Contains("it must be above 0"));
  CHECK_THAT(refused("0.2 ms"), Catch::Contains("it is at least 1 ms"));
  CHECK_THAT(refused("1000.1 d"), Catch::Contains("it is at most 1000 d"));
  CHECK_THAT(refused("0.0001 h"), Catch::Contains("it has at most 3 decimals"));
  CHECK_THAT(refused("0." + std::string(400, '0') + "1 d"),
             Catch::Contains("it has at most 3 decimals"));
  CHECK_THAT(refused("2 weeks"), Catch::Contains("units are ms, s, min, h, d"));
  CHECK_THAT(refused("3600"), Catch::Contains("the unit is missing"));
  CHECK_THAT(refused("1.2.3 h"), Catch::Contains("is no number"));
  CHECK_THAT(refused("-1 h"), Catch::Contains("must not be negative"));
}

TEST_CASE("the schema refuses limits and stop rules that are zero, as reading does", "[sweep]") {
  test::JsonSchema schema(to_text(sweep_schema()));
  const auto same = [&](const std::string& more) {
    CAPTURE(more);
    const bool reads = problems_of(more).empty();
    CHECK(schema.accepts(R"({"name": "s", "scenario": "a.json")" + more + "}") == reads);
    return reads;
  };
  const std::string rule = R"(, "stop": {"metric": "h.m", "half_width": )";
  for (const char* wrong : {"0", "0.0", R"("0 %")", R"("0.00 ns")", R"("00%")", "-1"})
    CHECK_FALSE(same(rule + wrong + "}"));
  for (const char* right : {"1", "0.01", R"("0.5 %")", R"("10 ns")", R"("00.10%")"})
    CHECK(same(rule + right + "}"));
  CHECK_FALSE(same(rule + R"(1, "minimum": 2, "maximum": 1})"));
  CHECK(same(rule + R"(1, "minimum": 2, "maximum": 2})"));
  for (const char* wrong : {"0 s", "0.0 h", "00d", "1 ps"})
    CHECK_FALSE(same(R"(, "limits": {"wall": ")" + std::string(wrong) + "\"}"));
  // Both ends of what may be, in each unit.
  for (const char* wrong :
       {"0.4 ms", "0.999 ms", "1.5001 s", "1001 d", "1000.001 d", "9999 d", "24000.1 h", "24001h",
        "30000 h", "1440001 min", "86400000.5 s", "86400000001 ms", "100000000000 ms"})
    CHECK_FALSE(same(R"(, "limits": {"wall": ")" + std::string(wrong) + "\"}"));
  for (const char* right :
       {"1 ms", "1.5 ms", "0.001 s", "0.001 min", "0.001 d", "1000 d", "1000.000 d", "999.999d",
        "24000 h", "23999.999 h", "19999 h", "0024000 h", "1440000 min", "1399999 min",
        "86400000 s", "86399999.999 s", "86400000000 ms", "86399999999 ms"})
    CHECK(same(R"(, "limits": {"wall": ")" + std::string(right) + "\"}"));
  for (const char* right : {"0.5 s", "10 d", "01h"})
    CHECK(same(R"(, "limits": {"wall": ")" + std::string(right) + "\"}"));
}

TEST_CASE("one amount in two ways is one value of a list", "[sweep]") {
  const auto refused = [](const std::string& values) {
    return problems_of(axis(R"("values": )" + values));
  };
  CHECK_THAT(refused(R"(["4 KiB", "1 MiB", "4096 B"])"),
             Catch::Contains("/axes/0/values/2: read \"4096 B\"; expected another value: "
                             "\"4 KiB\" is the same"));
  CHECK_THAT(refused(R"(["1 us", "1000 ns"])"), Catch::Contains("\"1 us\" is the same"));
  CHECK_THAT(refused("[1, 1.0]"), Catch::Contains("/axes/0/values/1"));
  CHECK(refused(R"(["1 us", "1 MiB", "1000000 ps2", 1000000, "1000001 ps"])").empty());
}

TEST_CASE("misspelt keys and choices are told with the nearest that there is", "[sweep]") {
  CHECK_THAT(problems_of(R"(, "replicate": 3)"), Catch::Contains("did you mean \"replicates\"?"));
  CHECK_THAT(problems_of(R"(, "design": "gird")"),
             Catch::Contains("s.json: /design: read \"gird\"") &&
                 Catch::Contains("did you mean \"grid\"?"));
  CHECK_THAT(problems_of(axis(R"("valeus": [1])")), Catch::Contains("s.json: /axes/0"));
}

TEST_CASE("what is wrong with an axis is told at its place", "[sweep]") {
  CHECK(
      problems_of(axis(R"("values": [])")) ==
      "s.json: /axes/0/values: read an empty list; expected a list of any values, at least one\n");
  CHECK(problems_of(axis(R"("values": [1, 2, 1])")) == "s.json: /axes/0/values/2: read 1 again\n");
  CHECK_THAT(problems_of(axes(R"({"name": "x", "pointer": "x", "values": [1]})")),
             Catch::Contains("/axes/0/pointer: read \"x\"; expected a JSON pointer") &&
                 Catch::Contains("begins with '/'"));
  CHECK_THAT(problems_of(axes(R"({"name": "a b", "pointer": "/x", "values": [1]})")),
             Catch::Contains("/axes/0/name: read \"a b\"; expected 1 to 100 letters"));
  CHECK_THAT(problems_of(axes(R"({"name": "x", "pointer": "/seed", "values": [1]})")),
             Catch::Contains("/axes/0/pointer: read \"/seed\""));
  CHECK_THAT(
      problems_of(axes(R"({"name": "x", "variants": [{"name": "v", "set": {}}]})")),
      Catch::Contains("/axes/0/variants/0/set") && Catch::Contains("JSON pointers and values"));
  CHECK_THAT(problems_of(axes(
                 R"({"name": "x", "variants": [{"name": "v", "set": {"/a": {}, "/a/b": 1}}]})")),
             Catch::Contains("is set together with \"/a\""));
}

TEST_CASE("axes that undo each other are refused", "[sweep]") {
  const std::string outer = R"({"name": "x", "pointer": "/a", "values": [1]})";
  const std::string inner = R"({"name": "y", "pointer": "/a/b", "values": [1]})";
  const std::string aside = R"({"name": "z", "pointer": "/ab", "values": [1]})";
  CHECK(problems_of(axes(outer + "," + inner)) ==
        "s.json: /axes/1: sets \"/a/b\", and axis \"x\" sets \"/a\": expected places of which none "
        "is "
        "in another\n");
  CHECK(problems_of(axes(outer + "," + aside)).empty());
  CHECK_THAT(problems_of(axes(outer + "," + outer)),
             Catch::Contains("/axes/1/name: read \"x\" again"));
  CHECK_THAT(problems_of(R"(, "set": {"/a/b": 1})" + axes(outer)),
             Catch::Contains("/axes/0: sets \"/a\" and so undoes what /set puts at \"/a/b\""));
  CHECK(problems_of(R"(, "set": {"/a": {}})" + axes(inner)).empty());
}

TEST_CASE("what is wrong with a range is told at its place", "[sweep]") {
  CHECK_THAT(problems_of(range(R"("from": 1, "to": 2)")),
             Catch::Contains("/axes/0/range: lacks \"count\", which a grid design needs"));
  CHECK_THAT(problems_of(range(R"("from": "1 ns", "to": 2, "count": 2)")),
             Catch::Contains("/axes/0/range/to: read 2; expected what \"from\" is"));
  CHECK_THAT(problems_of(range(R"("from": 0, "to": 2, "count": 2, "scale": "logarithmic")")),
             Catch::Contains("/axes/0/range/scale"));
  CHECK_THAT(problems_of(range(R"("from": 1, "to": 2, "count": 1)")),
             Catch::Contains("/axes/0/range/count"));
  CHECK_THAT(problems_of(range(R"("from": "1 M/s", "to": "2 M/s", "count": 2)")),
             Catch::Contains("expected a list of \"values\""));
  CHECK_THAT(problems_of(range(R"("from": "1 parsec", "to": 2, "count": 2)")),
             Catch::Contains("/axes/0/range/from: read \"1 parsec\"; expected a number, a time"));
  CHECK_THAT(problems_of(range(R"("from": 1, "to": 2, "count": 2, "multiple_of": "4 KiB")")),
             Catch::Contains("/axes/0/range/multiple_of"));
}

TEST_CASE("points, replicates and the stop rule must agree with the design", "[sweep]") {
  CHECK_THAT(problems_of(R"(, "design": "random")"), Catch::Contains("lacks \"points\""));
  CHECK_THAT(problems_of(R"(, "points": 3)"),
             Catch::Contains("/points: read 3; expected it with a random"));
  CHECK_THAT(problems_of(R"(, "replicates": 0)"), Catch::Contains("/replicates: read 0"));
  const std::string rule = R"(, "stop": {"metric": "h.m", "half_width": )";
  CHECK_THAT(problems_of(R"(, "replicates": 2)" + rule + "1}"),
             Catch::Contains("/replicates: read 2; expected either"));
  CHECK_THAT(problems_of(rule + "0}"), Catch::Contains("/stop/half_width"));
  CHECK_THAT(problems_of(rule + R"(1, "minimum": 1})"), Catch::Contains("/stop/minimum: read 1"));
  CHECK_THAT(problems_of(rule + R"(1, "maximum": 2})"), Catch::Contains("/stop/maximum: read 2"));
  CHECK_THAT(problems_of(rule + R"(1, "confidence": 1})"), Catch::Contains("/stop/confidence"));
  CHECK_THAT(problems_of(R"(, "limits": {"wall": "0 s"})"), Catch::Contains("/limits/wall"));
}

TEST_CASE("the schema of sweeps accepts those that are shipped, and is shipped",
          "[sweep][schema]") {
  test::JsonSchema schema(to_text(sweep_schema()));
  const std::filesystem::path root(VIOSIM_SOURCE_DIR);
  const auto contents = [](const std::filesystem::path& file) {
    std::ifstream in(file);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / "scenarios" / "sweeps")) {
    if (entry.path().extension() != ".json") continue;
    CAPTURE(entry.path().string());
    CHECK(schema.accepts(contents(entry.path())));
    CHECK_NOTHROW(load_sweep(entry.path()));
    ++files;
  }
  CHECK(files >= 5);
  CHECK_FALSE(schema.accepts(R"({"name": "s"})"));
  CHECK_FALSE(schema.accepts(R"({"name": "s", "scenario": "a", "replicate": 1})"));
  CHECK_FALSE(schema.accepts(R"({"name": "s", "scenario": "a", "set": {"x": 1}})"));
  CHECK(contents(root / "scenarios" / "sweep.schema.json") ==
        to_text(sweep_schema(), Layout::indented) + "\n");
}
