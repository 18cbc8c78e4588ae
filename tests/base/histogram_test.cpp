// Histogram: percentiles against sorted samples, merging, bucket bounds.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "core/base/stats.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

using namespace viosim;

TEST_CASE("an empty histogram answers zero", "[base][histogram]") {
  const Histogram empty;
  CHECK(empty.count() == 0);
  CHECK(empty.min() == Ps(0));
  CHECK(empty.percentile(0.5) == Ps(0));
}

TEST_CASE("a percentile is exact when its bucket holds equal values", "[base][histogram]") {
  Histogram latencies;
  for (int i = 0; i < 99; ++i) latencies.record(Ps(287123));
  latencies.record(Ps(900001));
  CHECK(latencies.percentile(0.5) == Ps(287123));
  CHECK(latencies.percentile(0.99) == Ps(287123));
  CHECK(latencies.percentile(1.0) == Ps(900001));
}

TEST_CASE("a percentile is within 1/32 of the sorted samples", "[base][histogram]") {
  Rng rng(GENERATE(1U, 2U, 3U), "samples");
  Histogram latencies;
  std::vector<std::int64_t> samples;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<std::int64_t>(rng.next() >> (11 + rng.below(50)));
    samples.push_back(value);
    latencies.record(Ps(value));
  }
  std::sort(samples.begin(), samples.end());
  for (const double p : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(p * 20'000)));
    const auto exact = static_cast<double>(samples[rank - 1]);
    CHECK(std::abs(static_cast<double>(latencies.percentile(p).count()) - exact) <= exact / 32);
  }
}

TEST_CASE("runs of values that return are counted, whenever someone reads", "[base][histogram]") {
  Rng rng(GENERATE(1U, 2U, 3U), "runs");
  const std::vector<std::int64_t> values{0, 287'123, 287'124, 900'001};
  const std::uint64_t distinct = GENERATE(2U, 3U, 4U);
  Histogram read_often;
  Histogram read_once;
  std::vector<std::int64_t> samples;
  for (int i = 0; i < 2'000; ++i) {
    const std::int64_t value = values[rng.below(distinct)];
    const std::uint64_t times = rng.below(4);
    read_often.record(Ps(value), times);
    for (std::uint64_t once = 0; once < times; ++once) read_once.record(Ps(value));
    samples.insert(samples.end(), times, value);
    if (samples.empty() || rng.below(8) != 0) continue;
    REQUIRE(read_often.count() == samples.size());
    REQUIRE(static_cast<std::int64_t>(read_often.sum()) ==
            std::accumulate(samples.begin(), samples.end(), std::int64_t{0}));
    REQUIRE(read_often.min().count() == *std::min_element(samples.begin(), samples.end()));
    REQUIRE(read_often.max().count() == *std::max_element(samples.begin(), samples.end()));
  }
  Histogram in_order;
  std::sort(samples.begin(), samples.end());
  for (const std::int64_t value : samples) in_order.record(Ps(value));
  CHECK(read_often == in_order);
  CHECK(read_once == in_order);
}

TEST_CASE("sums and means are exact beyond 2^63 ps, and beyond 2^64 of one bucket",
          "[base][histogram]") {
  constexpr std::int64_t longest = std::int64_t{1} << 53U;
  Histogram once;
  Histogram parts;
  once.record(Ps(longest), 10'000);
  for (int i = 0; i < 10; ++i) {
    Histogram part;
    part.record(Ps(longest), 1'000);
    parts.merge(part);
    CHECK(parts.sum() == WideSum{1'000} * static_cast<unsigned>(i + 1) * longest);
    CHECK(parts.mean() == Ps(longest));
  }
  CHECK(once == parts);
  CHECK(once.mean() == Ps(longest));
  CHECK(once.percentile(0.5) == Ps(longest));
  // Another octave, whose bucket needs no more than 64 bits, and one more sample of the first.
  once.record(Ps(7), 10'001);
  once.record(Ps(longest + 2));
  CHECK(once.sum() == WideSum{10'001} * (longest + 7) + 2);
  CHECK(once.mean() == Ps((longest + 7) / 2));
  Histogram read;
  once.for_each_bucket([&](std::size_t number, const Histogram::Bucket& bucket) {
    CHECK(bucket.count == 10'001);
    read.restore(number, bucket, once.min(), once.max());
  });
  CHECK(read == once);
}

TEST_CASE("merging equals recording everything in one", "[base][histogram]") {
  Rng rng(7, "merge");
  Histogram left;
  Histogram right;
  Histogram both;
  for (int i = 0; i < 5'000; ++i) {
    const Ps value(static_cast<std::int64_t>(rng.below(std::uint64_t{1} << (1 + rng.below(53)))));
    (rng.below(2) == 0 ? left : right).record(value);
    both.record(value);
  }
  left.merge(right);
  CHECK(left == both);
}

TEST_CASE("bucket numbers and lower bounds agree", "[base][histogram]") {
  Histogram one;
  const Ps value(GENERATE(0, 1, 31, 32, 33, 63, 64, 1'000, 123'456'789));
  one.record(value);
  one.for_each_bucket([&](std::size_t number, const Histogram::Bucket& bucket) {
    CHECK(bucket == Histogram::Bucket{1, static_cast<std::uint64_t>(value.count())});
    CHECK(Histogram::lower_bound(number) <= static_cast<std::uint64_t>(value.count()));
    CHECK(Histogram::lower_bound(number + 1) > static_cast<std::uint64_t>(value.count()));
  });
}
