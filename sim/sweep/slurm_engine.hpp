// Runs a sweep on a cluster: slices of runs as tasks of Slurm's job arrays, until every run is done.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/experiment.hpp"
#include "sim/sweep/schedule.hpp"
#include "sim/sweep/slices.hpp"
#include "sim/sweep/slurm.hpp"
#include "sim/sweep/worker.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace viosim {

// A run is done when a part has its outcome; nothing else is believed. A slice is lost when its task has ended and runs
// are missing: they go into new, smaller slices, so that a run which takes its task with it is at last alone,
// and fails. A slice whose task never began is submitted again as it is.
class SlurmEngine {
 public:
  // `slices` is open; `schedule` knows what the journal has.
  SlurmEngine(const Experiment& experiment, Schedule& schedule, Slices& slices,
              const Interrupt& interrupt, SlurmSettings settings);

  // Until all runs are done, or a signal comes. Afterwards nothing of it is in Slurm's queue. Throws ConfigError: Slurm
  // refuses, or tasks cannot begin.
  void run(const EngineListener& listener);

 private:
  struct Slice {
    std::vector<std::uint64_t> runs;  // those not done yet
    std::string job;
    unsigned submissions = 0;
    unsigned losses = 0;  // of its only run
    bool begun = false;
    bool missed = false;  // by the last poll
  };
  // What Slurm says of slices.
  struct Queue {
    std::set<std::uint64_t> live;
    std::map<std::uint64_t, std::string> ended;  // the states of those that are not
    std::set<std::string> unneeded;              // tasks that a stop rule no longer asks for
  };

  void adopt();
  void work();
  void collect();
  void poll();
  Queue look();
  void cancel_unneeded(const Queue& queue) const;
  void replace_lost(const Queue& queue);
  void replace(std::uint64_t number, const Slice& lost, const std::string& state);
  void fail(std::uint64_t run, const std::string& state);
  void add_slice(std::vector<std::uint64_t> runs, unsigned losses);
  void refill();
  void submit();
  void submit_array(std::uint64_t first);
  std::set<std::string> live_jobs() const;
  void leave();
  void cancel_and_wait();
  void forget_finished();
  std::string script() const;
  [[noreturn]] void refuse(std::uint64_t number, const Slice& slice, const std::string& state);
  void refuse_if_given_up(std::uint64_t number, const Slice& slice, const std::string& state) const;
  std::filesystem::path log_of(std::uint64_t number, const Slice& slice) const;  // of its last task
  void say_once(const std::string& text);
  void tell_why(const SlurmTask& task);

  const Experiment& experiment_;
  Schedule& schedule_;
  Slices& directory_;
  const Interrupt& interrupt_;
  SlurmSettings settings_;
  EngineListener listener_;
  Slurm slurm_;
  std::map<std::uint64_t, Slice> slices_;  // that have runs which are not done
  std::set<std::uint64_t> waiting_;        // slices to be submitted
  std::set<std::uint64_t>
      unneeded_;  // slices that have runs which a stop rule no longer asks for, and no others
  std::set<std::string> jobs_;  // that may be in the queue
  std::uint64_t next_slice_ = 0;
  std::uint64_t slice_size_ = 1;
  std::uint64_t round_left_ = 0;  // runs that may be asked of the schedule, of this round
  std::uint64_t rounds_ = 0;
  Worker::Clock::time_point next_poll_;
  Worker::Clock::time_point next_submission_;
  std::string state_text_;
  std::string said_;
  // Unless runs are done by then: a second try, with other options, is one from the start.
  bool nothing_came_of_it_ = false;
  std::set<std::string> told_reasons_;  // why tasks wait: each is told once
};

}  // namespace viosim
