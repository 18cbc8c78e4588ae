// Address patterns.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/traffic.hpp"

#include "tests/support/catch.hpp"

#include <cmath>
#include <map>

using namespace viosim;

namespace {

constexpr Iova base{0x1'0000'0000};

}  // namespace

TEST_CASE("every pattern stays within its window and on request boundaries", "[models][traffic]") {
  TrafficParams params;
  params.pattern = GENERATE(Pattern::sequential, Pattern::uniform, Pattern::ring, Pattern::zipf);
  params.window = 64_KiB;
  params.request = GENERATE(64_B, 4_KiB);
  const ZipfTable zipf(16, 0.99);
  Traffic traffic(params, base, Rng(1, "t"), &zipf);
  for (int i = 0; i < 5'000; ++i) {
    const std::uint64_t offset = traffic.next().iova.value() - base.value();
    REQUIRE(offset < params.window.count());
    const bool descriptor = params.pattern == Pattern::ring && i % 2 == 0;
    REQUIRE(offset % (descriptor ? 16 : params.request.count()) == 0);
    if (params.pattern == Pattern::ring) REQUIRE((offset < 4096) == descriptor);
    if (params.pattern == Pattern::sequential) {
      REQUIRE(offset ==
              static_cast<std::uint64_t>(i) * params.request.count() % params.window.count());
    }
  }
}

TEST_CASE("mixed traffic reads and writes about equally often", "[models][traffic]") {
  TrafficParams params;
  params.direction = Direction::mixed;
  Traffic traffic(params, base, Rng(1, "t"), nullptr);
  int writes = 0;
  for (int i = 0; i < 10'000; ++i) writes += traffic.next().access == Access::write ? 1 : 0;
  CHECK(std::abs(writes - 5'000) < 250);  // five standard deviations
}

TEST_CASE("zipf draws the k-th page in proportion to 1 / k^skew", "[models][traffic]") {
  const double skew = GENERATE(0.0, 0.5, 0.99, 2.0);
  constexpr std::uint64_t pages = 50;
  const ZipfTable table(pages, skew);
  Rng rng(1, "zipf");
  std::map<std::uint64_t, int> seen;
  constexpr int draws = 400'000;
  for (int i = 0; i < draws; ++i) ++seen[table.draw(rng)];
  double total = 0;
  for (std::uint64_t k = 1; k <= pages; ++k) total += std::pow(static_cast<double>(k), -skew);
  for (std::uint64_t k = 1; k <= pages; ++k) {
    const double expected = draws * std::pow(static_cast<double>(k), -skew) / total;
    REQUIRE(std::abs(seen[k - 1] - expected) < 6 * std::sqrt(expected) + 1);
  }
}
