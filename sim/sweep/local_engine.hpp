// Runs a sweep on this machine: as many processes at a time as there are jobs, one for each run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/interrupt.hpp"
#include "sim/sweep/journal.hpp"
#include "sim/sweep/schedule.hpp"
#include "sim/sweep/worker.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace viosim {

class LocalEngine {
 public:
  // `store` keeps runs that are done; `tick` is called now and then.
  struct Listener {
    std::function<void(const std::vector<FinishedRun>&)> store;
    std::function<void()> tick;
  };
  LocalEngine(const Experiment& experiment, Schedule& schedule, unsigned jobs);

  // Until all runs are done, or a signal comes: then it stores what is done and kills the rest.
  void run(const Interrupt& interrupt, const Listener& listener);

 private:
  struct Running {
    std::uint64_t run;
    Worker worker;
    bool overdue = false;
  };

  void fill();
  void wait(const Interrupt& interrupt);
  void kill_overdue();
  std::vector<FinishedRun> take_finished();

  const Experiment& experiment_;
  Schedule& schedule_;
  unsigned jobs_;
  std::vector<Running> running_;
  std::vector<pollfd> descriptors_;  // of running_
};

}  // namespace viosim
