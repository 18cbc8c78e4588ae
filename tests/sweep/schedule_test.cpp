// How many replicates a stop rule wants, whatever the order in which runs end.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/schedule.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"
#include "tests/sweep/samples.hpp"

#include <cmath>
#include <deque>
#include <map>
#include <string>
#include <vector>

using namespace viosim;

namespace {

Sweep with_rule(const std::string& half_width, int most = 50) {
  return test::sweep_of(R"(, "stop": {"metric": "h.m", "minimum": 3, "maximum": )" +
                        std::to_string(most) + R"(, "half_width": )" + half_width + "}");
}

double value_of_run(std::uint64_t run) {
  Rng rng(5, "value/" + std::to_string(run));
  return 100 + static_cast<double>(rng.below(21)) - 10;
}

RunOutcome outcome_of_run(std::uint64_t run) {
  RunOutcome outcome;
  outcome.watched = {value_of_run(run)};
  return outcome;
}

// The formula, from all values anew. t: two-sided 95 %, for 1 to 30 degrees of freedom.
bool precise(const std::vector<double>& values, double wanted) {
  constexpr double t[] = {12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600,
                          2.26216, 2.22814, 2.20099, 2.17881, 2.16037, 2.14479, 2.13145, 2.11991,
                          2.10982, 2.10092, 2.09302, 2.08596, 2.07961, 2.07387, 2.06866, 2.06390,
                          2.05954, 2.05553, 2.05183, 2.04841, 2.04523, 2.04227};
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  double squares = 0;
  for (const double value : values) squares += (value - sum / n) * (value - sum / n);
  return t[values.size() - 2] * std::sqrt(squares / (n - 1) / n) <= wanted;
}

std::uint32_t wanted_replicates(std::uint64_t point, std::uint32_t most, double half_width) {
  std::vector<double> values;
  for (std::uint32_t r = 0; r < most; ++r) {
    values.push_back(value_of_run(point * most + r));
    if (values.size() >= 3 && precise(values, half_width)) break;
  }
  return static_cast<std::uint32_t>(values.size());
}

// Runs all of it with so many at a time; which of them ends next is drawn.
void run_all(Schedule& schedule, std::size_t jobs, std::uint64_t seed) {
  Rng rng(seed, "order");
  std::deque<std::uint64_t> running;
  while (!schedule.complete()) {
    while (running.size() < jobs) {
      const auto next = schedule.next();
      if (!next) break;
      running.push_back(*next);
    }
    REQUIRE_FALSE(running.empty());
    const auto which = static_cast<std::ptrdiff_t>(rng.below(running.size()));
    const std::uint64_t run = running[static_cast<std::size_t>(which)];
    running.erase(running.begin() + which);
    schedule.finish(run, outcome_of_run(run));
  }
}

}  // namespace

TEST_CASE("a stop rule takes as many replicates as the formula says, in any order", "[sweep]") {
  const auto jobs = GENERATE(std::size_t{1}, std::size_t{4}, std::size_t{16});
  const auto seed = GENERATE(std::uint64_t{1}, std::uint64_t{2});
  const Sweep sweep = with_rule("3", 30);
  Schedule schedule(sweep, 20);
  run_all(schedule, jobs, seed);
  std::uint64_t all = 0;
  for (std::uint64_t p = 0; p < 20; ++p) {
    CHECK(schedule.replicates(p) == wanted_replicates(p, 30, 3));
    all += *schedule.replicates(p);
  }
  CHECK(schedule.expected_runs() == all);
}

TEST_CASE("a rule that is never fulfilled stops at the maximum", "[sweep]") {
  const Sweep sweep = with_rule("0.0001", 7);
  Schedule schedule(sweep, 2);
  run_all(schedule, 3, 1);
  CHECK(schedule.replicates(0) == 7);
  CHECK(schedule.replicates(1) == 7);
}

TEST_CASE("a half-width may be a part of the mean", "[sweep]") {
  const Sweep absolute = with_rule("4.0");
  const Sweep relative = with_rule(R"("4 %")");  // of about 100
  Schedule a(absolute, 1);
  Schedule b(relative, 1);
  run_all(a, 1, 1);
  run_all(b, 1, 1);
  CHECK(std::abs(static_cast<int>(*a.replicates(0)) - static_cast<int>(*b.replicates(0))) <= 2);
}

TEST_CASE("failed runs have no value, and count as replicates", "[sweep]") {
  const Sweep sweep = with_rule("1000", 10);
  Schedule schedule(sweep, 1);
  RunOutcome failed;
  failed.failed = {FailureKind::crash, "it did"};
  for (std::uint64_t r = 0; r < 3; ++r) {
    REQUIRE(schedule.next() == r);
    schedule.finish(r, failed);
  }
  CHECK_FALSE(schedule.complete());
  for (std::uint64_t r = 3; r < 6; ++r) {
    REQUIRE(schedule.next() == r);
    schedule.finish(r, outcome_of_run(r));
  }
  CHECK(schedule.replicates(0) == 6);
  CHECK(schedule.failed() == 3);
}

TEST_CASE("runs that an earlier sweep has finished are not handed out again", "[sweep]") {
  const Sweep sweep = test::sweep_of(R"(, "replicates": 3)");
  Schedule schedule(sweep, 2);
  schedule.finish(1, {});
  schedule.finish(3, {});
  CHECK(schedule.next() == 0U);
  CHECK(schedule.next() == 2U);
  CHECK(schedule.next() == 4U);
  CHECK(schedule.next() == 5U);
  CHECK_FALSE(schedule.next());
}
