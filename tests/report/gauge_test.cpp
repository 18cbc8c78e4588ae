// Amounts over time, exactly and as means.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/gauge.hpp"

#include "sim/report/lanes.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::report;

namespace {

// Bins of 10 ps.
const TimeGrid grid{.end = 100, .width = 10, .bins = 10};

std::string text(const Gauge& gauge) { return to_text(gauge.json(grid)); }

// So many changes back and forth within the first bin that it is kept as means; 0 in all.
Gauge folded() {
  Gauge gauge;
  for (std::size_t i = 0; i <= Gauge::most_changes; i += 2) {
    gauge.add(grid, 0, 1);
    gauge.add(grid, 0, -1);
  }
  return gauge;
}

}  // namespace

TEST_CASE("a run is cut into at most 4096 bins, which cover it", "[report]") {
  const std::int64_t end = GENERATE(1, 4095, 4096, 4097, 8192, 1'000'000'007);
  const TimeGrid cut = TimeGrid::until(end);
  CHECK(cut.bins <= 4096);
  CHECK(cut.width * static_cast<std::int64_t>(cut.bins) >= end);
  CHECK(cut.width * static_cast<std::int64_t>(cut.bins - 1) < end);
  CHECK(cut.bin_of(end) == cut.bins - 1);
}

TEST_CASE("a gauge that seldom changes is exact, in whatever order its changes come", "[report]") {
  Gauge gauge;
  gauge.add(grid, 50, -2);
  gauge.add(grid, 20, 1);
  gauge.add(grid, 7, 3);
  gauge.add(grid, 20, -1);
  CHECK(gauge.exact());
  CHECK(text(gauge) == R"({"t": [7, 20, 50], "v": [3, 3, 1]})");
}

TEST_CASE("times outside the run are cut", "[report]") {
  Gauge gauge;
  gauge.add(grid, -5, 1);
  gauge.add(grid, 1000, 1);
  CHECK(text(gauge) == R"({"t": [0, 100], "v": [1, 2]})");
}

TEST_CASE("a gauge that often changes has the mean of each bin", "[report]") {
  Gauge gauge = folded();
  REQUIRE_FALSE(gauge.exact());
  gauge.add(grid, 15, 4);   // half of the second bin
  gauge.add(grid, 39, -3);  // nine tenths of the fourth
  CHECK(text(gauge) == R"({"mean": [0, 2, 4, 3.7, 1, 1, 1, 1, 1, 1]})");
}

TEST_CASE("what is put together is as if it had been one", "[report]") {
  const bool left_folded = GENERATE(false, true);
  const bool right_folded = GENERATE(false, true);
  Gauge left = left_folded ? folded() : Gauge();
  Gauge right = right_folded ? folded() : Gauge();
  left.add(grid, 5, 2);
  right.add(grid, 25, 2);
  left.merge(grid, right);
  CHECK(text(left) == (left_folded || right_folded ? R"({"mean": [1, 2, 3, 4, 4, 4, 4, 4, 4, 4]})"
                                                   : R"({"t": [5, 25], "v": [2, 4]})"));
}

TEST_CASE("components that differ in their indices share a row when they are too many",
          "[report]") {
  const std::size_t count = GENERATE(std::size_t{24}, std::size_t{25});
  ComponentGauges gauges(grid, count);
  std::vector<std::string> components;
  for (std::size_t i = 0; i < count; ++i) {
    components.push_back("host0.acc[" + std::to_string(i) + "]");
    gauges.interval(static_cast<std::uint32_t>(i), 10, 30);
  }
  const Value lanes = gauges.json(components);
  if (count == 24) {
    CHECK(lanes.if_array()->size() == 24);
  } else {
    CHECK(to_text(lanes) == R"x([{"name": "host0.acc[*] (25)", "t": [10, 30], "v": [25, 0]}])x");
  }
}

TEST_CASE("rows beyond the most there may be are one", "[report]") {
  std::vector<Gauge> gauges(30);
  std::vector<NamedGauge> named;
  for (std::size_t i = 0; i < gauges.size(); ++i) {
    gauges[i].add(grid, 0, 1);
    named.push_back({"name" + std::string(1, static_cast<char>('a' + i)), &gauges[i]});
  }
  const Value lanes = lanes_json(grid, named);
  REQUIRE(lanes.if_array()->size() == most_lanes);
  CHECK(to_text(lanes.if_array()->back()) == R"({"name": "7 others", "t": [0], "v": [7]})");
}
