// The words of the progress line, and who asks for them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/progress.hpp"

#include "sim/run/numbers.hpp"

#include <fmt/format.h>

#include <csignal>
#include <pthread.h>
#include <unistd.h>
#include <utility>

namespace viosim {
namespace {

constexpr std::chrono::milliseconds period{500};

// Never 100: while something is left to do, not all is done.
std::string percent(double share) {
  const double whole = 100 * share;
  if (whole < 1) return "<1 %";
  return fmt::format("{} %", whole >= 99 ? 99 : static_cast<int>(whole));
}

}  // namespace

std::string progress_text(const RunState& state, const Pace& pace) {
  std::string text = percent(state.share);
  if (const auto left = pace.left()) text += fmt::format(", about {} left", rough_duration(*left));
  text += ": " + format_time(state.reached.since_start());
  if (state.duration) text += " of " + format_time(*state.duration);
  return text + fmt::format(" simulated, {}, {}", counted(state.requests, "request"),
                            rate_text(pace.per_second()));
}

Ticker::Ticker(std::chrono::milliseconds every, std::function<void()> tick)
    : thread_([this, every, tick = std::move(tick)] {
        // Signals are for the simulation's thread.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, nullptr);
        std::unique_lock lock(mutex_);
        while (!stop_.wait_for(lock, every, [this] { return stopped_; })) tick();
      }) {}

Ticker::~Ticker() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

Progress::Progress(ProgressMode mode) {
  if (mode == ProgressMode::never) return;
  if (mode == ProgressMode::automatic && !stderr_is_terminal()) return;
  line_ = std::make_unique<StatusLine>(STDERR_FILENO);
  show_ = [this](std::string_view text) { line_->show(text); };
  ticker_ = std::make_unique<Ticker>(period, [this] { ask(); });
}

Progress::~Progress() { end(); }

void Progress::end() {
  ticker_.reset();
  show({});
  show_ = nullptr;
  line_.reset();
}

void Progress::show(std::string_view text) {
  if (!show_ || (text.empty() && !visible_)) return;
  show_(text);
  visible_ = !text.empty();
}

void Progress::tell(const std::string& what, std::optional<double> share) {
  if (!asked()) return;
  answered();
  show(share ? fmt::format("{}: {}", percent(*share), what) : what);
}

void Progress::finally(const std::string& what) {
  if (visible_) show(what);
}

void Progress::watch(std::function<RunState(Instant)> state) {
  state_ = std::move(state);
  watched_since_ = std::chrono::steady_clock::now();
}

Pace::Seconds Progress::elapsed() const {
  return std::chrono::steady_clock::now() - watched_since_;
}

void Progress::look(Instant reached) {
  if (!state_) return;
  const RunState state = state_(reached);
  pace_.add(elapsed(), state.share, state.requests);
  show(progress_text(state, pace_));
}

}  // namespace viosim
