// How far a sweep is, in words.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_progress.hpp"

#include "sim/run/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace viosim {
namespace {

constexpr std::chrono::milliseconds period{500};

double share_of(const Schedule& schedule) {
  const std::uint64_t expected = std::max<std::uint64_t>(1, schedule.expected_runs());
  return std::min(1.0, static_cast<double>(schedule.finished()) / static_cast<double>(expected));
}

}  // namespace

std::string sweep_progress_text(const Schedule& schedule, const Pace& pace) {
  std::string text = fmt::format("{} %", std::min(99, static_cast<int>(100 * share_of(schedule))));
  if (const auto left = pace.left()) text += fmt::format(", about {} left", rough_duration(*left));
  text += fmt::format(": {} of {}, {}", grouped(schedule.finished()),
                      counted(schedule.expected_runs(), "run"), rate_text(pace.per_second()));
  if (schedule.failed() != 0) text += fmt::format(", {} failed", grouped(schedule.failed()));
  return text;
}

std::string check_progress_text(const CheckShare& share) {
  return fmt::format("checking value {} of {}", grouped(share.done + 1), grouped(share.all));
}

SweepProgress::SweepProgress(ProgressMode mode) {
  if (mode == ProgressMode::never) return;
  if (mode == ProgressMode::automatic && !stderr_is_terminal()) return;
  line_ = std::make_unique<StatusLine>(STDERR_FILENO);
}

bool SweepProgress::is_due() {
  const auto now = Clock::now();
  if (line_ == nullptr || now - told_ < period) return false;
  told_ = now;
  return true;
}

void SweepProgress::tell(const CheckShare& share) {
  if (is_due()) line_->show(check_progress_text(share));
}

void SweepProgress::tell(const Schedule& schedule, const std::string& more) {
  if (!is_due()) return;
  pace_.add(told_ - begin_, share_of(schedule), schedule.finished());
  line_->show(sweep_progress_text(schedule, pace_) + (more.empty() ? "" : "; " + more));
}

void SweepProgress::say(const std::string& text) {
  if (line_ != nullptr) line_->clear();
  std::fputs(("viosim: " + text + '\n').c_str(), stderr);
}

}  // namespace viosim
