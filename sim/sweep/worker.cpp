// Forks, limits and listens.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/worker.hpp"

#include "sim/sweep/kept.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <new>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace viosim {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// A terminal sends its signals to children, too; the parent decides what becomes of them, and when it
// dies they die.
void behave_as_child(pid_t parent) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  // What a dying library says is no use without the scenario; the replay shows it.
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, standard);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
}

void limit_memory(std::optional<Bytes> memory) {
  if (!memory) return;
  const rlimit limit{memory->count(), memory->count()};
  ::setrlimit(RLIMIT_AS, &limit);
}

void write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ::_exit(1);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::string joined(const ConfigError& error) {
  std::string text;
  for (const Problem& problem : error.problems())
    text += (text.empty() ? "" : "\n") + problem.text();
  return text;
}

void simulate(const Experiment& experiment, const SweepRun& run, RunOutcome& outcome) {
  const Scenario scenario = experiment.scenario(run);
  const Recordings recordings = experiment.recordings(scenario);
  // Never destroyed: the process ends next, and taking a system apart takes its time.
  Trial& trial = *std::make_unique<Trial>(scenario, recordings).release();
  std::vector<Problem> problems;
  const KeptThings kept(experiment.sweep(), trial, Where(problems, experiment.file()));
  if (!problems.empty()) throw ConfigError(std::move(problems));
  trial.run(experiment.sweep().checks);
  kept.read(outcome);
  outcome.as_expected = all_met(trial.verdicts());
}

}  // namespace

Worker::Worker(const Work& work, std::optional<Bytes> memory) : started_(Clock::now()) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) refuse("a pipe");
  const pid_t parent = ::getpid();
  child_ = ::fork();
  if (child_ < 0) refuse("one more process");
  if (child_ == 0) {
    behave_as_child(parent);
    limit_memory(memory);
    ByteWriter writer;
    work(writer);
    write_all(ends[1], writer.bytes());
    ::_exit(0);
  }
  ::close(ends[1]);
  descriptor_ = ends[0];
}

Worker::Worker(Worker&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      child_(std::exchange(other.child_, -1)),
      started_(other.started_),
      answer_(std::move(other.answer_)) {}

Worker& Worker::operator=(Worker&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(child_, other.child_);
  started_ = other.started_;
  answer_.swap(other.answer_);
  return *this;
}

Worker::~Worker() {
  if (child_ > 0) {
    kill();
    ::waitpid(child_, nullptr, 0);
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Worker::kill() {
  if (child_ > 0) ::kill(child_, SIGKILL);
}

bool Worker::receive() {
  std::array<std::byte, 65536> buffer;
  const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  answer_.insert(answer_.end(), buffer.begin(), buffer.begin() + count);
  return count != 0;
}

Worker::End Worker::reap() {
  End end;
  rusage usage{};
  while (::wait4(child_, &end.status, 0, &usage) < 0) {
    if (errno != EINTR) refuse("waiting for a run");
  }
  child_ = -1;
  end.cost.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  end.cost.memory = static_cast<std::uint64_t>(usage.ru_maxrss) << 10U;
  end.answer = std::move(answer_);
  return end;
}

RunOutcome perform(const Experiment& experiment, const SweepRun& run) {
  const auto failed = [](FailureKind kind, std::string reason) {
    RunOutcome outcome;
    outcome.failed = {kind, std::move(reason)};
    return outcome;
  };
  try {
    RunOutcome outcome;
    simulate(experiment, run, outcome);
    return outcome;
  } catch (const ConfigError& error) {
    return failed(FailureKind::invalid, joined(error));
  } catch (const LivelockError& error) {
    return failed(FailureKind::livelock, error.what());
  } catch (const TimeLimitError& error) {
    return failed(FailureKind::simulated_time, error.what());
  } catch (const std::bad_alloc&) {
    return failed(FailureKind::memory, "out of memory");
  } catch (const std::exception& error) {
    return failed(FailureKind::internal, error.what());
  }
}

RunOutcome outcome_of(const Worker::End& end, bool overdue, const LimitsConfig& limits) {
  RunOutcome outcome;
  if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0) {
    try {
      ByteReader reader(end.answer);
      return decode_outcome(reader);
    } catch (const BadBytes&) {
      // As if it had said nothing.
    }
  }
  if (overdue) {
    outcome.failed = {FailureKind::wall,
                      fmt::format("not done after {}", format_time(limits.wall.value()))};
  } else if (WIFSIGNALED(end.status)) {
    const int signal = WTERMSIG(end.status);
    outcome.failed = {FailureKind::crash, fmt::format("its process ended by signal {} ({})", signal,
                                                      ::strsignal(signal))};
  } else {
    outcome.failed = {FailureKind::crash,
                      fmt::format("its process ended with exit code {}", WEXITSTATUS(end.status))};
  }
  if (limits.memory && outcome.failed->kind == FailureKind::crash)
    outcome.failed->reason += fmt::format("; limits.memory is {}", to_text(*limits.memory));
  return outcome;
}

void check_selection(const Experiment& experiment) {
  Worker worker(
      [&](ByteWriter& writer) {
        RunOutcome outcome;
        try {
          const Scenario scenario = experiment.scenario(experiment.run(0));
          const Recordings recordings = experiment.recordings(scenario);
          const Trial trial(scenario, recordings);
          std::vector<Problem> problems;
          const KeptThings kept(experiment.sweep(), trial, Where(problems, experiment.file()));
          if (!problems.empty()) throw ConfigError(std::move(problems));
        } catch (const ConfigError& error) {
          for (const Problem& problem : error.problems())
            outcome.figures.push_back({problem.file, problem.pointer, problem.message, 0});
        }
        encode(outcome, writer);
      },
      std::nullopt);
  while (worker.receive()) {
  }
  const RunOutcome outcome = outcome_of(worker.reap(), false, {});
  if (outcome.failed)
    throw std::runtime_error("the first point's system cannot be built: " + outcome.failed->reason);
  std::vector<Problem> problems;
  for (const KeptFigure& figure : outcome.figures)
    problems.push_back({figure.component, figure.name, figure.unit});
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

}  // namespace viosim
