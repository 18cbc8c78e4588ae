// The progress line of a sweep.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/pace.hpp"
#include "sim/run/terminal.hpp"
#include "sim/sweep/experiment.hpp"
#include "sim/sweep/schedule.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace viosim {

// "61 %, about 4 min left: 6,100 of 10,000 runs, 812.0 /s, 3 failed"
std::string sweep_progress_text(const Schedule& schedule, const Pace& pace);

// "checking value 1,200 of 2,000,001"
std::string check_progress_text(const CheckShare& share);

// Without a thread of its own: processes are forked meanwhile.
class SweepProgress {
 public:
  explicit SweepProgress(ProgressMode mode);
  // As often as one likes; shown twice a second. `more` is put behind it.
  void tell(const Schedule& schedule, const std::string& more);
  // The same, before anything runs.
  void tell(const CheckShare& share);
  // A line that stays, on standard error.
  void say(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  // Whether it is time to show something; then it is the time of what was shown last.
  bool is_due();

  std::unique_ptr<StatusLine> line_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point told_ = begin_;
  Pace pace_;
};

}  // namespace viosim
