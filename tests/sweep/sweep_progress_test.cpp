// The line that tells how far a sweep is.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_progress.hpp"

#include "tests/support/catch.hpp"
#include "tests/sweep/samples.hpp"

#include <chrono>

using namespace viosim;
using test::sweep_of;

namespace {

RunOutcome failure() {
  RunOutcome outcome;
  outcome.failed = {FailureKind::crash, "it broke"};
  return outcome;
}

}  // namespace

TEST_CASE("a sweep's line has the share, the rate, the time left and the failures", "[sweep]") {
  const Sweep sweep = sweep_of(R"(, "replicates": 10000)");
  Schedule schedule(sweep, 1);
  Pace pace;
  CHECK(sweep_progress_text(schedule, pace) == "0 %: 0 of 10,000 runs, 0.0 /s");
  std::uint64_t done = 0;
  for (int second = 1; second <= 6; ++second) {
    for (; done < static_cast<std::uint64_t>(second) * 1000; ++done)
      schedule.finish(done, second == 6 && done % 500 == 0 ? failure() : RunOutcome());
    pace.add(std::chrono::seconds(second), static_cast<double>(done) / 10000, done);
  }
  CHECK(sweep_progress_text(schedule, pace) ==
        "60 %, about 4 s left: 6,000 of 10,000 runs, 1.0 K/s, 2 failed");
}

TEST_CASE("a sweep's line never says that all is done", "[sweep]") {
  const Sweep sweep = sweep_of(R"(, "replicates": 2)");
  Schedule schedule(sweep, 1);
  schedule.finish(0, {});
  CHECK_THAT(sweep_progress_text(schedule, Pace()), Catch::StartsWith("50 %: 1 of 2 runs"));
  schedule.finish(1, {});
  CHECK_THAT(sweep_progress_text(schedule, Pace()), Catch::StartsWith("99 %: 2 of 2 runs"));
}

TEST_CASE("before anything runs a sweep's line has the value that is checked", "[sweep]") {
  CHECK(check_progress_text({1199, 2'000'001}) == "checking value 1,200 of 2,000,001");
}

TEST_CASE("points that a stop rule has decided shrink what is expected", "[sweep]") {
  const Sweep sweep =
      sweep_of(R"(, "stop": {"metric": "a.b", "half_width": 1, "minimum": 3, "maximum": 10})");
  Schedule schedule(sweep, 2);
  CHECK_THAT(sweep_progress_text(schedule, Pace()), Catch::Contains("0 of 20 runs"));
  RunOutcome same;
  same.watched = {5};
  for (const std::uint64_t run : {0U, 1U, 2U}) schedule.finish(run, same);
  CHECK_THAT(sweep_progress_text(schedule, Pace()), Catch::Contains("3 of 13 runs"));
}
