// Student's t against its published table, and means against their definitions.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/confidence.hpp"

#include "tests/support/catch.hpp"

#include <cmath>
#include <vector>

using namespace viosim;

TEST_CASE("quantiles of Student's distribution are those of the tables", "[sweep]") {
  struct Entry {
    double confidence;
    unsigned degrees;
    double t;
  };
  const Entry entry =
      GENERATE(Entry{0.95, 1, 12.7062}, Entry{0.95, 2, 4.30265}, Entry{0.95, 4, 2.77645},
               Entry{0.95, 9, 2.26216}, Entry{0.95, 30, 2.04227}, Entry{0.95, 120, 1.97993},
               Entry{0.99, 5, 4.03214}, Entry{0.9, 10, 1.81246}, Entry{0.95, 1000000, 1.95997},
               Entry{0.5, 1, 1.0});
  CAPTURE(entry.confidence, entry.degrees);
  CHECK(student_t(entry.confidence, entry.degrees) == Approx(entry.t).epsilon(1e-5));
}

TEST_CASE("mean, deviation and half-width are what their formulas say", "[sweep]") {
  const std::vector<double> values{2, 4, 4, 4, 5, 5, 7, 9};
  Samples samples;
  for (const double value : values) samples.add(value);
  CHECK(samples.mean() == Approx(5));
  CHECK(samples.deviation() == Approx(std::sqrt(32.0 / 7)));
  CHECK(samples.min() == 2);
  CHECK(samples.max() == 9);
  CHECK(*samples.half_width(0.95) == Approx(2.364624 * std::sqrt(32.0 / 7 / 8)).epsilon(1e-6));
}

TEST_CASE("one sample has no confidence interval, and equal samples one of no width", "[sweep]") {
  Samples samples;
  CHECK_FALSE(samples.half_width(0.95));
  samples.add(3);
  CHECK_FALSE(samples.half_width(0.95));
  samples.add(3);
  CHECK(samples.half_width(0.95) == 0.0);
}
