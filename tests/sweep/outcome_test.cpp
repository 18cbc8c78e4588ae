// What workers say survives pipe and journal, and half of it is not taken for the whole.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/outcome.hpp"

#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

RunOutcome sample() {
  RunOutcome outcome;
  outcome.as_expected = false;
  outcome.figures = {{"host0.dev", "walks", "count", 12}, {"host0.dev", "hit_rate", "ratio", 0.1}};
  Histogram histogram;
  for (int i = 1; i < 1000; ++i) histogram.record(Ps(i * i));
  histogram.record(Ps(std::int64_t{1} << 53U), 1 << 20);  // a sum of more than 64 bits
  outcome.histograms = {{"host0.dev", "dma", histogram}};
  outcome.watched = {1.5, -3};
  return outcome;
}

}  // namespace

TEST_CASE("outcomes survive their bytes", "[sweep]") {
  RunOutcome outcome = sample();
  if (GENERATE(false, true)) outcome.failed = {FailureKind::internal, "because\nof it"};
  ByteWriter writer;
  encode(outcome, writer);
  ByteReader reader(writer.bytes());
  CHECK(decode_outcome(reader) == outcome);
  CHECK(reader.empty());
}

TEST_CASE("an outcome that was cut off is refused", "[sweep]") {
  ByteWriter writer;
  encode(sample(), writer);
  for (std::size_t size = 0; size < writer.bytes().size(); ++size) {
    ByteReader reader(writer.bytes().first(size));
    CHECK_THROWS_AS(decode_outcome(reader), BadBytes);
  }
}
