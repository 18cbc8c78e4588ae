// Runs a sweep on this machine: as many processes at a time as there are jobs, one for each run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/interrupt.hpp"
#include "sim/sweep/run_queue.hpp"
#include "sim/sweep/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace viosim {

class LocalEngine {
 public:
  LocalEngine(const Experiment& experiment, RunQueue& queue, unsigned jobs,
              Worker::Fork fork = ::fork);

  // Until all runs are done, or a signal comes: then it stores what is done and kills the rest. Where the system
  // refuses a process, it goes on with fewer, and tries more from time to time. Throws ConfigError when none is
  // running and some tries in a row were refused.
  void run(const Interrupt& interrupt, const EngineListener& listener);

 private:
  struct Running {
    std::uint64_t run;
    Worker worker;
    bool overdue = false;
    Worker::Clock::duration suspended{};  // while it ran, as this process was
  };

  void fill(const EngineListener& listener);
  void start(std::uint64_t number);
  void accept_refusal(const WorkerRefused& refused, const EngineListener& listener);
  void wait(const Interrupt& interrupt);
  Worker::Clock::time_point deadline(const Running& one) const;
  void kill_overdue();
  std::vector<FinishedRun> take_finished();

  const Experiment& experiment_;
  RunQueue& queue_;
  unsigned jobs_;
  Worker::Fork fork_;
  std::size_t allowed_;    // workers at a time: fewer than jobs where the system has refused more
  unsigned refusals_ = 0;  // in a row, while none was running
  bool told_ = false;
  Worker::Clock::time_point next_try_{};     // of any, after a refusal
  Worker::Clock::time_point next_growth_{};  // of allowed_
  std::optional<std::uint64_t> refused_;     // a run of the queue that has got no process
  std::vector<Running> running_;
  std::vector<pollfd> descriptors_;  // of running_
};

}  // namespace viosim
