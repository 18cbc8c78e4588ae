// Points of each design against what naive loops give.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/design.hpp"

#include "tests/support/catch.hpp"
#include "tests/sweep/samples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace viosim;

namespace {

const std::string entries = R"({"name": "e", "pointer": "/e", "values": [1, 2, 4]})";
const std::string times = R"({"name": "t", "pointer": "/t", "values": ["1 ns", "2 ns"]})";
const std::string variants =
    R"({"name": "v", "variants": [{"name": "x", "set": {"/a": 1, "/b": 2}},
                                  {"name": "y", "set": {"/a": 3}}]})";

std::string range(const std::string& content) {
  return R"({"name": "r", "pointer": "/r", "range": {)" + content + "}}";
}

std::vector<std::string> texts(const Design& design, std::uint64_t point) {
  std::vector<std::string> all;
  for (const Level& level : design.point(point)) all.push_back(level.text);
  return all;
}

std::vector<std::string> values_of(const std::string& content) {
  const Sweep sweep = test::sweep_of(R"(, "axes": [)" + range(content) + "]");
  const Design design(sweep, "s.json");
  std::vector<std::string> all;
  for (std::uint64_t p = 0; p < design.points(); ++p) all.push_back(texts(design, p)[0]);
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a grid has every combination once, the last axis changing fastest", "[sweep]") {
  const Sweep sweep =
      test::sweep_of(R"(, "axes": [)" + entries + "," + times + "," + variants + "]");
  const Design design(sweep, "s.json");
  REQUIRE(design.points() == 12);
  std::uint64_t point = 0;
  for (const char* e : {"1", "2", "4"}) {
    for (const char* t : {"1 ns", "2 ns"}) {
      for (const char* v : {"x", "y"}) CHECK(texts(design, point++) == Texts{e, t, v});
    }
  }
}

TEST_CASE("a variant sets several places together", "[sweep]") {
  const Sweep sweep = test::sweep_of(R"(, "axes": [)" + variants + "]");
  const Design design(sweep, "s.json");
  Value document = parse_json(R"({"a": 0, "b": 0})", "d");
  apply(design.point(0)[0].set, document);
  CHECK(document == parse_json(R"({"a": 1, "b": 2})", "d"));
  CHECK_FALSE(design.point(0)[0].number);
}

TEST_CASE("zipped axes go through their values together", "[sweep]") {
  const Sweep sweep =
      test::sweep_of(R"(, "design": "zipped", "axes": [)" + times + "," + variants + "]");
  const Design design(sweep, "s.json");
  REQUIRE(design.points() == 2);
  CHECK(texts(design, 0) == Texts{"1 ns", "x"});
  CHECK(texts(design, 1) == Texts{"2 ns", "y"});
}

TEST_CASE("zipped axes of different lengths are refused", "[sweep]") {
  const Sweep sweep =
      test::sweep_of(R"(, "design": "zipped", "axes": [)" + entries + "," + times + "]");
  CHECK_THROWS_WITH(Design(sweep, "s.json"),
                    "s.json: /axes/1: has 2 values; expected 3 as axis \"e\" has: they are zipped");
}

TEST_CASE("no axes are one point", "[sweep]") {
  const Sweep sweep = test::sweep_of("");
  CHECK(Design(sweep, "s.json").points() == 1);
}

TEST_CASE("ranges include both ends and keep their units", "[sweep]") {
  CHECK(values_of(R"("from": 1, "to": 5, "count": 5)") == Texts{"1", "2", "3", "4", "5"});
  CHECK(values_of(R"("from": 5, "to": 1, "count": 3)") == Texts{"5", "3", "1"});
  CHECK(values_of(R"("from": 16, "to": 4096, "count": 9, "scale": "logarithmic")") ==
        Texts{"16", "32", "64", "128", "256", "512", "1024", "2048", "4096"});
  CHECK(values_of(R"("from": "10 ns", "to": "1 us", "count": 3, "scale": "logarithmic")") ==
        Texts{"10 ns", "100 ns", "1 us"});
  CHECK(values_of(R"("from": "10 ns", "to": "1 us", "count": 4, "scale": "logarithmic")") ==
        Texts{"10 ns", "46.416 ns", "215.443 ns", "1 us"});
  CHECK(values_of(R"("from": 0, "to": 0.5, "count": 3)") == Texts{"0.0", "0.25", "0.5"});
  CHECK(values_of(R"("from": "4 KiB", "to": "64 KiB", "count": 4, "multiple_of": "4 KiB")") ==
        Texts{"4 KiB", "24 KiB", "44 KiB", "64 KiB"});
  CHECK(values_of(R"("from": "1 GB/s", "to": "4 GB/s", "count": 2)") == Texts{"1 GB/s", "4 GB/s"});
}

TEST_CASE("a multiple of a step is what is written with the step's decimals", "[sweep]") {
  CHECK(values_of(R"("from": 0, "to": 1, "count": 11, "multiple_of": 0.1)") ==
        Texts{"0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"});
  CHECK(values_of(R"("from": 0, "to": 0.6, "count": 3, "multiple_of": 0.3)") ==
        Texts{"0.0", "0.3", "0.6"});
  CHECK(values_of(R"("from": -0.021, "to": 0, "count": 4, "multiple_of": 0.007)") ==
        Texts{"-0.021", "-0.014", "-0.007", "0.0"});
}

TEST_CASE("the ends of a range are what was written, to the last bit", "[sweep]") {
  const auto [ends, more] = GENERATE(table<std::array<double, 2>, std::string>(
      {{{0.03, 0.3}, R"("count": 4)"},
       {{0.3, 0.03}, R"("count": 4)"},
       {{0.013, 1.0}, R"("count": 3, "scale": "logarithmic")"},
       {{0.1, 0.3}, R"("count": 3, "multiple_of": 0.1)"},
       {{0.7, 0.1}, R"("count": 7, "multiple_of": 0.1)"}}));
  const Sweep sweep = test::sweep_of(
      R"(, "axes": [)" +
      range(fmt::format(R"("from": {:#}, "to": {:#}, )", ends[0], ends[1]) + more) + "]");
  const Design design(sweep, "s.json");
  CHECK(design.point(0)[0].number == ends[0]);
  CHECK(design.point(design.points() - 1)[0].number == ends[1]);
}

TEST_CASE("a range of more values than there are whole numbers is refused", "[sweep]") {
  CHECK_THROWS_WITH(
      values_of(R"("from": 1, "to": 3, "count": 5)"),
      "s.json: /axes/0/range/count: read 5; expected fewer: value 3 and the one before "
      "are both 2");
}

TEST_CASE("ends that are no multiples are moved inwards", "[sweep]") {
  const std::string ends = R"("from": 5, "to": 14, "multiple_of": 4)";
  CHECK(values_of(ends + R"(, "count": 2)") == Texts{"8", "12"});
  CHECK(values_of(R"("from": 14, "to": 5, "multiple_of": 4, "count": 2)") == Texts{"12", "8"});
  CHECK_THROWS_WITH(values_of(ends + R"(, "count": 3)"), Catch::Contains("expected fewer"));
  CHECK(values_of(R"("from": 0.1, "to": 0.3, "multiple_of": 0.1, "count": 3)").size() == 3);
  CHECK_THAT(
      test::problems_of(R"(, "axes": [)" +
                        range(R"("from": 5, "to": 7, "multiple_of": 4, "count": 2)") + "]"),
      Catch::Contains("/range/multiple_of: read 4; expected one with a multiple from 5 to 7"));
}

TEST_CASE("every value of a range is a multiple, and none is beyond its ends", "[sweep]") {
  // An end that is a multiple but for what a double rounds is one; one that is next to it is none.
  CHECK(values_of(R"("from": 0.3, "to": 0.7, "multiple_of": 0.1, "count": 5)") ==
        Texts{"0.3", "0.4", "0.5", "0.6", "0.7"});
  CHECK(values_of(R"("from": 1.0000000001, "to": 3.9999999999, "multiple_of": 1, "count": 2)") ==
        Texts{"2.0", "3.0"});
  CHECK(values_of(R"("from": "1000000000001 ps", "to": "3 s", "multiple_of": "1 s", "count": 2)") ==
        Texts{"2 s", "3 s"});
  CHECK(values_of(
            R"("from": 9007199254740989, "to": 9007199254740992, "multiple_of": 2, "count": 2)") ==
        Texts{"9007199254740990", "9007199254740992"});
  CHECK(values_of(R"("from": 1e-12, "to": 3e-12, "multiple_of": 1e-12, "count": 3)") ==
        Texts{"1e-12", "2e-12", "3e-12"});
  CHECK(values_of(R"("from": 3e15, "to": 9e15, "multiple_of": 3e15, "count": 3)") ==
        Texts{"3000000000000000.0", "6000000000000000.0", "9000000000000000.0"});
  CHECK(values_of(R"("from": -7, "to": 7, "multiple_of": 3, "count": 5)") ==
        Texts{"-6", "-3", "0", "3", "6"});
  CHECK(values_of(R"("from": -0.05, "to": 0.15, "multiple_of": 0.1, "count": 2)") ==
        Texts{"0.0", "0.1"});
  CHECK_THAT(
      test::problems_of(R"(, "axes": [)" +
                        range(R"("from": 0, "to": 1, "multiple_of": 1e-17, "count": 2)") + "]"),
      Catch::Contains("/range/multiple_of: read 1e-17; expected one of which the ends are "
                      "at most 2^53 times as much"));
}

TEST_CASE("a logarithmic range begins at its first multiple, which is not 0", "[sweep]") {
  const std::string ends = R"("to": 4, "multiple_of": 1, "scale": "logarithmic")";
  CHECK(values_of(R"("from": 1e-10, "count": 3, )" + ends) == Texts{"1.0", "2.0", "4.0"});
  CHECK(values_of(R"("from": 0.5, "count": 3, )" + ends) == Texts{"1.0", "2.0", "4.0"});
  const Sweep sweep = test::sweep_of(R"(, "design": "random", "points": 100, "axes": [)" +
                                     range(R"("from": 1e-10, )" + ends) + "]");
  const Design design(sweep, "s.json");
  for (std::uint64_t p = 0; p < design.points(); ++p) {
    CHECK(*design.point(p)[0].number >= 1);
    CHECK(*design.point(p)[0].number <= 4);
  }
}

TEST_CASE("of ends with a single multiple between them that one is drawn, and two are refused",
          "[sweep]") {
  const std::string ends = R"("from": 7, "to": 9, "multiple_of": 4)";
  const Sweep sweep =
      test::sweep_of(R"(, "design": "random", "points": 50, "axes": [)" + range(ends) + "]");
  const Design design(sweep, "s.json");
  for (std::uint64_t p = 0; p < design.points(); ++p) CHECK(texts(design, p) == Texts{"8"});
  CHECK_THROWS_WITH(values_of(ends + R"(, "count": 2)"),
                    Catch::Contains("/range/count: read 2; expected fewer: value 2 and the one "
                                    "before are both 8"));
  CHECK_THAT(
      test::problems_of(
          R"(, "axes": [)" +
          range(R"("from": 0.1000000001, "to": 0.1999999999, "multiple_of": 0.1, "count": 2)") +
          "]"),
      Catch::Contains("/range/multiple_of: read 0.1; expected one with a multiple from"));
}

TEST_CASE("a range of more values than there may be runs is refused at once", "[sweep]") {
  const std::string huge = R"("from": 1, "to": 4000000000, "count": 4000000000)";
  CHECK_THROWS_WITH(values_of(huge),
                    "s.json: /axes/0/range/count: read 4000000000; expected at most 10000000");
  const Sweep two = test::sweep_of(
      R"(, "axes": [{"name": "a", "pointer": "/a", "range": {"from": 1, "to": 9e6, "count": 9000000}},)" +
      range(R"("from": 1, "to": 9e6, "count": 9000000)") + "]");
  CHECK_THROWS_WITH(Design(two, "s.json"), Catch::Contains("more than 10000000 points"));
}

TEST_CASE("every whole number of a range is drawn as often as any other, both ends included",
          "[sweep]") {
  const std::string ends =
      GENERATE(R"("from": 1, "to": 4)", R"("from": 4, "to": 1)",
               R"("from": 5, "to": 27, "multiple_of": 6)", R"("from": "1 ps", "to": "4 ps")",
               R"("from": "3 KiB", "to": "18 KiB", "multiple_of": "4 KiB")");
  CAPTURE(ends);
  const Sweep sweep =
      test::sweep_of(R"(, "design": "random", "points": 20000, "axes": [)" + range(ends) + "]");
  const Design design(sweep, "s.json");
  std::map<std::string, int> times_taken;
  for (std::uint64_t p = 0; p < design.points(); ++p) ++times_taken[texts(design, p)[0]];
  REQUIRE(times_taken.size() == 4);
  for (const auto& [value, count] : times_taken) {
    CAPTURE(value);
    CHECK(count == Approx(5000).margin(5 * std::sqrt(20000 * 0.25 * 0.75)));
  }
}

TEST_CASE("whole numbers of a logarithmic range are drawn by the width that they have there",
          "[sweep]") {
  const Sweep sweep = test::sweep_of(R"(, "design": "random", "points": 20000, "axes": [)" +
                                     range(R"("from": 1, "to": 3, "scale": "logarithmic")") + "]");
  const Design design(sweep, "s.json");
  std::map<double, int> times_taken;
  for (std::uint64_t p = 0; p < design.points(); ++p) ++times_taken[*design.point(p)[0].number];
  REQUIRE(times_taken.size() == 3);
  for (const auto& [value, count] : times_taken) {
    const double part = std::log((value + 1) / value) / std::log(4.0);
    CHECK(count == Approx(20000 * part).margin(5 * std::sqrt(20000 * part * (1 - part))));
  }
}

TEST_CASE("a Latin hypercube of as many points as there are whole numbers has each once",
          "[sweep]") {
  const Sweep sweep = test::sweep_of(R"(, "design": "latin-hypercube", "points": 8, "seed": )" +
                                     std::to_string(GENERATE(1, 2, 3)) + R"(, "axes": [)" +
                                     range(R"("from": 1, "to": 8)") + "]");
  const Design design(sweep, "s.json");
  std::set<std::string> drawn;
  for (std::uint64_t p = 0; p < 8; ++p) drawn.insert(texts(design, p)[0]);
  CHECK(drawn == std::set<std::string>{"1", "2", "3", "4", "5", "6", "7", "8"});
}

TEST_CASE("a Latin hypercube has one point in each of as many equal parts of every axis",
          "[sweep]") {
  const auto seed = GENERATE(1, 2, 77);
  const Sweep sweep =
      test::sweep_of(R"(, "design": "latin-hypercube", "points": 50, "seed": )" +
                     std::to_string(seed) + R"(, "axes": [)" + range(R"("from": 0.0, "to": 1.0)") +
                     "," + R"({"name": "q", "pointer": "/q",
      "range": {"from": 1, "to": 1e6, "scale": "logarithmic"}})" +
                     "," + entries + "]");
  const Design design(sweep, "s.json");
  REQUIRE(design.points() == 50);
  std::set<int> linear;
  std::set<int> logarithmic;
  std::map<std::string, int> listed;
  for (std::uint64_t p = 0; p < 50; ++p) {
    const std::vector<Level> levels = design.point(p);
    linear.insert(static_cast<int>(*levels[0].number * 50));
    logarithmic.insert(static_cast<int>(std::log10(*levels[1].number) / 6 * 50));
    ++listed[levels[2].text];
  }
  CHECK(linear.size() == 50);
  CHECK(logarithmic.size() == 50);
  for (const auto& [value, times_taken] : listed) {
    CAPTURE(value);
    CHECK(times_taken >= 16);
    CHECK(times_taken <= 17);
  }
}

TEST_CASE("a Latin hypercube has each of countable values as often as any other, or once more",
          "[sweep]") {
  const std::string letters =
      R"({"name": "v", "variants": [{"name": "a", "set": {"/v": 1}}, {"name": "b", "set": {"/v": 2}},
         {"name": "c", "set": {"/v": 3}}, {"name": "d", "set": {"/v": 4}},
         {"name": "e", "set": {"/v": 5}}]})";
  const std::string listed = R"({"name": "l", "pointer": "/l", "values": [1, 2, 4, 8]})";
  const std::string counted = range(R"("from": 0.0, "to": 1.0, "count": 7)");
  const std::vector<std::uint64_t> sizes{5, 4, 7};
  const auto points = GENERATE(1U, 3U, 6U, 13U, 28U, 33U);
  std::vector<std::map<std::string, int>> ever(sizes.size());
  for (int seed = 1; seed <= 100; ++seed) {
    const Sweep sweep = test::sweep_of(
        R"(, "design": "latin-hypercube", "points": )" + std::to_string(points) + R"(, "seed": )" +
        std::to_string(seed) + R"(, "axes": [)" + letters + "," + listed + "," + counted + "]");
    const Design design(sweep, "s.json");
    std::vector<std::map<std::string, std::uint64_t>> taken(sizes.size());
    for (std::uint64_t p = 0; p < design.points(); ++p) {
      const std::vector<std::string> all = texts(design, p);
      for (std::size_t a = 0; a < all.size(); ++a) ++taken[a][all[a]];
    }
    for (std::size_t a = 0; a < sizes.size(); ++a) {
      CAPTURE(points, seed, a);
      const std::uint64_t fewest = points / sizes[a];
      const std::uint64_t most = (points + sizes[a] - 1) / sizes[a];
      CHECK(taken[a].size() == std::min<std::uint64_t>(points, sizes[a]));
      for (const auto& [value, times_taken] : taken[a]) {
        CHECK(times_taken >= fewest);
        CHECK(times_taken <= most);
        if (times_taken == most) ++ever[a][value];
      }
    }
  }
  // Which ones come once more is not always the same.
  for (std::size_t a = 0; a < sizes.size(); ++a) CHECK(ever[a].size() == sizes[a]);
}

TEST_CASE("random points lie within their axes, and depend on the seed alone", "[sweep]") {
  const auto of_seed = [](int seed) {
    return test::sweep_of(R"(, "design": "random", "points": 200, "seed": )" +
                          std::to_string(seed) + R"(, "axes": [)" +
                          range(R"("from": "1 ns", "to": "2 ns")") + "," + entries + "]");
  };
  const Sweep first = of_seed(1);
  const Sweep second = of_seed(2);
  const Design a(first, "s.json");
  const Design b(first, "s.json");
  const Design c(second, "s.json");
  std::set<std::string> drawn;
  int differ = 0;
  double sum = 0;
  for (std::uint64_t p = 0; p < 200; ++p) {
    CHECK(a.point(p) == b.point(p));
    differ += a.point(p) == c.point(p) ? 0 : 1;
    const double ps = *a.point(p)[0].number;
    CHECK(ps >= 1000);
    CHECK(ps <= 2000);
    sum += ps;
    drawn.insert(a.point(p)[1].text);
  }
  CHECK(differ > 190);
  CHECK(drawn == std::set<std::string>{"1", "2", "4"});
  CHECK(sum / 200 == Approx(1500).margin(5 * 1000 / std::sqrt(12.0 * 200)));
}

TEST_CASE("one more axis leaves what others have drawn as it was", "[sweep]") {
  const std::string drawn = R"(, "design": "random", "points": 20, "axes": [)";
  const Sweep one = test::sweep_of(drawn + entries + "]");
  const Sweep two = test::sweep_of(drawn + times + "," + entries + "]");
  for (std::uint64_t p = 0; p < 20; ++p)
    CHECK(texts(Design(one, "s"), p)[0] == texts(Design(two, "s"), p)[1]);
}

TEST_CASE("more runs than there may be are refused", "[sweep]") {
  const Sweep sweep = test::sweep_of(R"(, "replicates": 10000000, "axes": [)" + entries + "]");
  CHECK_THROWS_WITH(Design(sweep, "s.json"), Catch::Contains("expected at most 10000000 runs"));
}
