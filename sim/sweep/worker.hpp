// One run in a process of its own: whatever happens there, it ends nobody else.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "sim/sweep/experiment.hpp"
#include "sim/sweep/outcome.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace viosim {

// The system has no room for one more process now: too many of them (EAGAIN), too little memory (ENOMEM), too many
// open files.
class WorkerRefused : public std::system_error {
 public:
  using std::system_error::system_error;
};

// A child process that answers with bytes.
class Worker {
 public:
  using Clock = std::chrono::steady_clock;
  using Work = std::function<void(ByteWriter&)>;

  using Fork = std::function<pid_t()>;

  // Forks. `work` writes the answer, in the child. `memory` limits the child's address space. Throws WorkerRefused.
  Worker(const Work& work, std::optional<Bytes> memory, const Fork& fork = ::fork);
  Worker(Worker&& other) noexcept;
  Worker& operator=(Worker&& other) noexcept;
  ~Worker();  // kills the child if it is still there

  int descriptor() const { return descriptor_; }
  Clock::time_point started() const { return started_; }
  bool receive();  // what has come; false: that was all
  void kill();

  struct End {
    int status = 0;  // as waitpid() has it
    RunCost cost;
    std::vector<std::byte> answer;
  };
  End reap();

 private:
  int descriptor_ = -1;
  pid_t child_ = -1;
  Clock::time_point started_;
  std::vector<std::byte> answer_;
};

// Where there is no other work meanwhile: tries again for some seconds. Throws ConfigError when that was in vain.
Worker start_patiently(const Worker::Work& work, std::optional<Bytes> memory,
                       const Worker::Fork& fork = ::fork);
// What to tell users who get no process, although none is running; they may go on from where they are.
ConfigError no_process(const WorkerRefused& refused);

// For the child.
RunOutcome perform(const Experiment& experiment, const SweepRun& run);
// For the parent: what came of it. `overdue`: it was killed because it took too long.
RunOutcome outcome_of(const Worker::End& end, bool overdue, const LimitsConfig& limits);

// The address space that this program takes now.
Bytes program_size();
// Throws ConfigError when limits.memory leaves a run nothing.
void check_limits(const Experiment& experiment);

// Whether everything that `keep` and `stop` name is there, at the first of the first points that can be built
// within the limits; found out in a child, since this process must not simulate. Throws ConfigError.
void check_selection(const Experiment& experiment);

}  // namespace viosim
