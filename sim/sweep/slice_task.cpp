// Runs a slice and writes its parts.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slice_task.hpp"

#include "sim/sweep/local_engine.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>
#include <utility>

namespace viosim {
namespace {

// Whether runs are lost with their task depends on these: soon at first, then seldom enough that files stay few.
constexpr std::chrono::seconds first_part{2};
constexpr std::chrono::seconds longest_part{60};

class Remaining : public RunQueue {
 public:
  explicit Remaining(std::vector<std::uint64_t> runs) : runs_(std::move(runs)) {}
  std::optional<std::uint64_t> next() override {
    if (begun_ == runs_.size()) return std::nullopt;
    return runs_[begun_++];
  }
  void finish(std::uint64_t, const RunOutcome&) override { ++done_; }
  bool complete() const override { return done_ == runs_.size(); }

 private:
  std::vector<std::uint64_t> runs_;
  std::size_t begun_ = 0;
  std::size_t done_ = 0;
};

class Parts {
 public:
  Parts(const Slices& slices, std::uint64_t slice) : slices_(slices) {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    const char* const restarts = std::getenv("SLURM_RESTART_COUNT");
    name_.slice = slice;
    name_.task = fmt::format("{}-{}-{}", host.data(), ::getpid(), restarts ? restarts : "0");
  }
  // A run is going on: what becomes of the task now may be the run's fault. Told by an empty part.
  void begin() {
    if (!std::exchange(begun_, true)) write();
  }
  void add(const std::vector<FinishedRun>& runs) {
    runs_.insert(runs_.end(), runs.begin(), runs.end());
  }
  void write_if_due() {
    const auto now = Worker::Clock::now();
    if (now - written_ < period_ || runs_.empty()) return;
    written_ = now;
    period_ = std::min(2 * period_, longest_part);
    write();
  }
  void write_rest() {
    if (!runs_.empty()) write();
  }

 private:
  void write() {
    slices_.write_part(name_, runs_);
    ++name_.sequence;
    runs_.clear();
  }

  const Slices& slices_;
  Slices::PartName name_;
  bool begun_ = false;
  std::vector<FinishedRun> runs_;
  Worker::Clock::time_point written_ = Worker::Clock::now();
  std::chrono::seconds period_ = first_part;
};

}  // namespace

static int perform(const Experiment& experiment, const Slices& slices, std::uint64_t slice,
                   unsigned jobs) {
  check_limits(experiment);
  slices.check(identity_of(experiment));
  std::vector<std::uint64_t> runs = slices.runs_of(slice, experiment.most_runs());
  const std::set<std::uint64_t> finished = slices.finished_of(slice);
  std::erase_if(runs, [&](std::uint64_t run) { return finished.contains(run); });

  const Interrupt interrupt;
  Parts parts(slices, slice);
  Remaining remaining(std::move(runs));
  LocalEngine engine(experiment, remaining, jobs, [&] {
    const pid_t child = ::fork();
    if (child > 0) parts.begin();
    return child;
  });
  try {
    engine.run(interrupt,
               {[&](const std::vector<FinishedRun>& done) { parts.add(done); },
                [&](const std::string&) { parts.write_if_due(); },
                [](const std::string& text) { fmt::print(stderr, "viosim: {}\n", text); }});
  } catch (...) {
    parts.write_rest();
    throw;
  }
  parts.write_rest();
  return interrupt.signal();
}

int perform_slice(const Experiment& experiment, const Slices& slices, std::uint64_t slice,
                  unsigned jobs) {
  try {
    return perform(experiment, slices, slice, jobs);
  } catch (...) {
    fmt::print(stderr, "viosim: {}\n", slice_given_up);
    throw;
  }
}

}  // namespace viosim
