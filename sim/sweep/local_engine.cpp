// Keeps the workers busy.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/local_engine.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::chrono::milliseconds longest_wait{250};  // so that progress is told
// Who wakes so much later than he wanted to was stopped (Ctrl-Z), and his runs with him.
constexpr std::chrono::seconds stopped_after{1};

}  // namespace

LocalEngine::LocalEngine(const Experiment& experiment, RunQueue& queue, unsigned jobs)
    : experiment_(experiment), queue_(queue), jobs_(jobs) {}

void LocalEngine::run(const Interrupt& interrupt, const EngineListener& listener) {
  while (!queue_.complete() && interrupt.signal() == 0) {
    fill();
    wait(interrupt);
    kill_overdue();
    const std::vector<FinishedRun> finished = take_finished();
    for (const FinishedRun& one : finished) queue_.finish(one.run, one.outcome);
    fill();  // before the disk is asked for
    listener.store(finished);
    listener.tick({});
  }
  running_.clear();
}

void LocalEngine::fill() {
  while (running_.size() < jobs_ && !queue_.complete()) {
    const std::optional<std::uint64_t> next = queue_.next();
    if (!next) return;
    const SweepRun run = experiment_.run(*next);
    Worker worker([&](ByteWriter& writer) { encode(perform(experiment_, run), writer); },
                  experiment_.sweep().limits.memory);
    running_.push_back({*next, std::move(worker), false, {}});
  }
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
