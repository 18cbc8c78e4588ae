// Keeps the workers busy.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/local_engine.hpp"

#include "sim/run/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

constexpr std::chrono::milliseconds longest_wait{250};  // so that progress is told
// Who wakes so much later than he wanted to was stopped (Ctrl-Z), and his runs with him.
constexpr std::chrono::seconds stopped_after{1};
// Where the system has no room for one more process.
constexpr std::chrono::milliseconds refusal_pause{250};
constexpr std::chrono::seconds growth_pause{2};
constexpr unsigned most_refusals = 20;  // in a row, while no run is going on

}  // namespace

LocalEngine::LocalEngine(const Experiment& experiment, RunQueue& queue, unsigned jobs,
                         Worker::Fork fork)
    : experiment_(experiment), queue_(queue), jobs_(jobs), fork_(std::move(fork)), allowed_(jobs) {}

void LocalEngine::run(const Interrupt& interrupt, const EngineListener& listener) {
  while (!queue_.complete() && interrupt.signal() == 0) {
    fill(listener);
    wait(interrupt);
    kill_overdue();
    const std::vector<FinishedRun> finished = take_finished();
    for (const FinishedRun& one : finished) queue_.finish(one.run, one.outcome);
    fill(listener);  // before the disk is asked for
    listener.store(finished);
    listener.tick({});
  }
  running_.clear();
}

void LocalEngine::fill(const EngineListener& listener) {
  const auto now = Worker::Clock::now();
  if (running_.empty() && now < next_try_) return;  // who ends is replaced at once
  if (allowed_ < jobs_ && now >= next_growth_) {
    ++allowed_;
    next_growth_ = now + growth_pause;
  }
  while (running_.size() < allowed_ && !queue_.complete()) {
    const std::optional<std::uint64_t> next =
        refused_ ? std::exchange(refused_, std::nullopt) : queue_.next();
    if (!next) return;
    try {
      start(*next);
    } catch (const WorkerRefused& refused) {
      refused_ = next;
      return accept_refusal(refused, listener);
    }
    refusals_ = 0;
  }
}

void LocalEngine::start(std::uint64_t number) {
  const SweepRun run = experiment_.run(number);
  Worker worker([&](ByteWriter& writer) { encode(perform(experiment_, run), writer); },
                experiment_.sweep().limits.memory, fork_);
  running_.push_back({number, std::move(worker), false, {}});
}

// One that is running will make room when it ends; if none is, others have to.
void LocalEngine::accept_refusal(const WorkerRefused& refused, const EngineListener& listener) {
  if (running_.empty() && ++refusals_ >= most_refusals) throw no_process(refused);
  if (!std::exchange(told_, true)) {
    const std::string now = running_.empty() ? "no run can be started now"
                                             : fmt::format("no more than {} at a time now",
                                                           counted(running_.size(), "run"));
    listener.say(
        fmt::format("{}: {}; tried again from time to time", now, refused.code().message()));
  }
  const auto now = Worker::Clock::now();
  allowed_ = std::max<std::size_t>(running_.size(), 1);
  next_try_ = now + refusal_pause;
  next_growth_ = now + growth_pause;
}

Worker::Clock::time_point LocalEngine::deadline(const Running& one) const {
  return one.worker.started() + experiment_.sweep().limits.wall.value() + one.suspended;
}

void LocalEngine::wait(const Interrupt& interrupt) {
  auto longest = longest_wait;
  const auto now = Worker::Clock::now();
  descriptors_.clear();
  for (const Running& one : running_) {
    descriptors_.push_back({one.worker.descriptor(), POLLIN, 0});
    const auto left = deadline(one) - now;
    longest = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(left),
                         std::chrono::milliseconds(0), longest);
  }
  interrupt.wait(descriptors_, longest);
  const auto late = Worker::Clock::now() - now - longest;
  if (late < stopped_after) return;
  for (Running& one : running_) one.suspended += late;
}

void LocalEngine::kill_overdue() {
  const auto now = Worker::Clock::now();
  for (Running& one : running_) {
    if (one.overdue || now < deadline(one)) continue;
    one.overdue = true;
    one.worker.kill();
  }
}

std::vector<FinishedRun> LocalEngine::take_finished() {
  std::vector<FinishedRun> finished;
  std::vector<Running> going_on;
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Running& one = running_[i];
    if (descriptors_[i].revents == 0 || one.worker.receive()) {
      going_on.push_back(std::move(one));
      continue;
    }
    const Worker::End end = one.worker.reap();
    finished.push_back(
        {one.run, outcome_of(end, one.overdue, experiment_.sweep().limits), end.cost});
  }
  running_ = std::move(going_on);
  return finished;
}

}  // namespace viosim
