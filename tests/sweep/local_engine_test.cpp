// The pool of workers where the system has no room for as many as are wanted.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/local_engine.hpp"

#include "core/base/error.hpp"
#include "sim/sweep/schedule.hpp"
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <vector>

using namespace viosim;

namespace {

// A sweep of six runs, by eight workers at most, on a system that refuses some forks.
class Crowded {
 public:
  // `refuses`: of the fork with that number, from 0.
  explicit Crowded(std::function<bool(int)> refuses, int error = EAGAIN)
      : refuses_(std::move(refuses)), error_(error) {}

  void run() {
    LocalEngine engine(experiment_, schedule_, 8, [&] {
      if (!refuses_(forks_++)) return ::fork();
      errno = error_;
      return pid_t{-1};
    });
    engine.run(interrupt_, {[&](const std::vector<FinishedRun>& runs) {
                              for (const FinishedRun& one : runs) {
                                CHECK_FALSE(one.outcome.failed);
                                CHECK(stored_.insert(one.run).second);
                              }
                            },
                            [](const std::string&) {},
                            [&](const std::string& text) { said_.push_back(text); }});
  }
  bool complete() const { return schedule_.complete(); }
  std::size_t stored() const { return stored_.size(); }
  const std::vector<std::string>& said() const { return said_; }

 private:
  std::function<bool(int)> refuses_;
  int error_;
  int forks_ = 0;
  test::Bench bench_{R"(, "replicates": 6, "keep": ["host0.dev"])"};
  Experiment experiment_{bench_.scratch() / "s.json"};
  Schedule schedule_{experiment_.sweep(), experiment_.design().points()};
  Interrupt interrupt_;
  std::set<std::uint64_t> stored_;
  std::vector<std::string> said_;
};

}  // namespace

TEST_CASE("where the system refuses a process, a sweep goes on with fewer, and loses no run",
          "[sweep]") {
  const auto refuses = GENERATE(std::function([](int n) { return n % 2 == 1; }),
                                std::function([](int n) { return n < 3; }),
                                std::function([](int n) { return n == 2 || n == 3; }));
  Crowded crowded(refuses, GENERATE(EAGAIN, ENOMEM));
  crowded.run();
  CHECK(crowded.complete());
  CHECK(crowded.stored() == 6);
  REQUIRE(crowded.said().size() == 1);
  const bool at_first = refuses(0);
  CHECK_THAT(crowded.said()[0],
             Catch::Contains(at_first ? "no run can be started now: " : " at a time now: ") &&
                 Catch::Contains("tried again from time to time"));
}

TEST_CASE("a sweep that gets no process at all ends with what is wrong, and keeps what it has",
          "[sweep]") {
  Crowded crowded([](int n) { return n >= 2; });
  CHECK_THROWS_WITH(crowded.run(),
                    Catch::Contains("no process can be started for a run, although none is "
                                    "running: Resource temporarily unavailable") &&
                        Catch::Contains("--resume goes on"));
  CHECK(crowded.stored() == 2);
}
