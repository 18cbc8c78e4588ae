// Which run comes next, and how many replicates each point needs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/run_queue.hpp"
#include "sim/sweep/sweep.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace viosim {

// A stop rule makes the number of replicates depend on results. It is the smallest number, of the first
// ones, that fulfils the rule: so it does not depend on which runs ended first. Workers that would
// have nothing to do run further replicates meanwhile; what turns out not to be needed counts for nothing.
class Schedule : public RunQueue {
 public:
  Schedule(const Sweep& sweep, std::uint64_t points);

  // Before the first call of next(): runs that an earlier sweep has finished are given to finish().
  std::optional<std::uint64_t> next() override;
  void finish(std::uint64_t run, const RunOutcome& outcome) override;
  // Also before: a run that is under way elsewhere, which next() shall not give.
  void start(std::uint64_t run);

  // How many replicates of the point count; none while that is not known.
  std::optional<std::uint32_t> replicates(std::uint64_t point) const;
  // Whether these fulfil the stop rule; true without one. Of a point whose replicates are known.
  bool settled(std::uint64_t point) const { return points_[point].settled; }
  std::uint64_t unsettled() const;
  bool is_finished(std::uint64_t run) const;
  // Whether every run that counts is done.
  bool complete() const override { return open_points_ == 0; }
  std::uint64_t open_points() const { return open_points_; }

  std::uint64_t finished() const { return finished_; }
  std::uint64_t failed() const { return failed_; }
  std::uint64_t not_as_expected() const { return not_as_expected_; }
  // Of the whole sweep, as far as it is known: points that are not decided count in full.
  std::uint64_t expected_runs() const { return expected_; }

 private:
  enum class State : std::uint8_t { waiting, started, done };
  struct Point {
    std::vector<State> states;                 // by replicate; as many as were begun
    std::vector<std::vector<double>> watched;  // of those that are done; empty: it failed
    std::uint32_t done = 0;                    // of the first ones
    std::uint32_t begun = 0;
    bool decided = false;
    bool settled = true;
    std::uint32_t counted = 0;
  };

  State& state_of(std::uint64_t run);
  void decide(Point& point);
  bool precise(const Point& point, std::uint32_t replicates) const;
  std::optional<std::uint64_t> next_of(std::uint64_t point, std::uint32_t limit);

  const Sweep& sweep_;
  std::uint32_t first_;  // replicates of each point that are needed in any case
  std::uint32_t most_;
  std::vector<Point> points_;
  std::uint64_t next_point_ = 0;
  std::uint64_t speculating_ = 0;
  std::uint64_t open_points_;
  std::uint64_t expected_;
  std::uint64_t finished_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t not_as_expected_ = 0;
};

}  // namespace viosim
