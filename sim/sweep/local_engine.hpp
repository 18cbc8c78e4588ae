// Runs a sweep on this machine: as many processes at a time as there are jobs, one for each run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/interrupt.hpp"
#include "sim/sweep/run_queue.hpp"
#include "sim/sweep/worker.hpp"

#include <cstdint>
#include <vector>

namespace viosim {

class LocalEngine {
 public:
  LocalEngine(const Experiment& experiment, RunQueue& queue, unsigned jobs);

  // Until all runs are done, or a signal comes: then it stores what is done and kills the rest.
  void run(const Interrupt& interrupt, const EngineListener& listener);

 private:
  struct Running {
    std::uint64_t run;
    Worker worker;
    bool overdue = false;
    Worker::Clock::duration suspended{};  // while it ran, as this process was
  };

  void fill();
  void wait(const Interrupt& interrupt);
  Worker::Clock::time_point deadline(const Running& one) const;
  void kill_overdue();
  std::vector<FinishedRun> take_finished();

  const Experiment& experiment_;
  RunQueue& queue_;
  unsigned jobs_;
  std::vector<Running> running_;
  std::vector<pollfd> descriptors_;  // of running_
};

}  // namespace viosim
