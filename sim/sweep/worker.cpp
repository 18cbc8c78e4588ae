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
#include <fstream>
#include <memory>
#include <new>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace viosim {
namespace {

constexpr unsigned most_tries = 20;
constexpr std::chrono::milliseconds try_pause{250};  // from one to the next

[[noreturn]] void refuse(int error, const char* what) {
  throw WorkerRefused(error, std::generic_category(), what);
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

Worker::Worker(const Work& work, std::optional<Bytes> memory, const Fork& fork)
    : started_(Clock::now()) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) refuse(errno, "a pipe");
  const pid_t parent = ::getpid();
  child_ = fork();
  if (child_ < 0) {
    const int error = errno;
    for (const int end : ends) ::close(end);
    refuse(error, "one more process");
  }
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
    if (errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "waiting for a run");
  }
  child_ = -1;
  end.cost.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  end.cost.memory = static_cast<std::uint64_t>(usage.ru_maxrss) << 10U;
  end.answer = std::move(answer_);
  return end;
}

ConfigError no_process(const WorkerRefused& refused) {
  return ConfigError(
      {"", "",
       fmt::format("no process can be started for a run, although none is running: {}; expected "
                   "room for one (ulimit -u, ulimit -n, memory). What is finished is kept: "
                   "--resume goes on",
                   refused.code().message())});
}

Worker start_patiently(const Worker::Work& work, std::optional<Bytes> memory,
                       const Worker::Fork& fork) {
  for (unsigned i = 1;; ++i) {
    try {
      return Worker(work, memory, fork);
    } catch (const WorkerRefused& refused) {
      if (i == most_tries) throw no_process(refused);
    }
    std::this_thread::sleep_for(try_pause);
  }
}

RunOutcome perform(const Experiment& experiment, const SweepRun& run) {
  const auto failed = [](FailureKind kind, std::string reason) {
    RunOutcome outcome;
    outcome.failed = {kind, std::move(reason)};
    return outcome;
  };
  const auto& memory = experiment.sweep().limits.memory;
  try {
    // Where it has grown since check_limits(): what is mapped already is nobody's to limit.
    if (memory && program_size() >= *memory) throw std::bad_alloc();
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
                      fmt::format("not done after {}", TextForm<WallTime>::write(limits.wall))};
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

Bytes program_size() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return Bytes(pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

void check_limits(const Experiment& experiment) {
  const auto& memory = experiment.sweep().limits.memory;
  const Bytes own = program_size();
  if (!memory || *memory > own) return;
  const Bytes whole(((own.count() >> 20U) + 1) << 20U);
  throw ConfigError({experiment.file(), "/limits/memory",
                     fmt::format("read \"{}\"; expected more than {}, which the program itself "
                                 "takes before a run begins",
                                 to_text(*memory), to_text(whole))});
}

namespace {

constexpr std::uint64_t most_tried = 16;  // points that may be impossible to build

// In the child: problems of the selection as figures, for want of another way through the pipe.
RunOutcome try_selection(const Experiment& experiment, std::uint64_t point) {
  RunOutcome outcome;
  try {
    const SweepRun run = experiment.run(point * experiment.sweep().replicates_at_most());
    const Scenario scenario = experiment.scenario(run);
    const Recordings recordings = experiment.recordings(scenario);
    const Trial trial(scenario, recordings);
    std::vector<Problem> problems;
    const KeptThings kept(experiment.sweep(), trial, Where(problems, experiment.file()));
    for (const Problem& problem : problems)
      outcome.figures.push_back({problem.file, problem.pointer, problem.message, 0});
  } catch (const std::exception& error) {
    outcome.failed = {FailureKind::invalid, error.what()};
  }
  return outcome;
}

// Until the child has answered, or its time is over.
RunOutcome answer_of(Worker& worker, const LimitsConfig& limits) {
  const auto deadline = worker.started() + limits.wall.value();
  bool overdue = false;
  for (bool open = true; open && !overdue;) {
    pollfd descriptor{worker.descriptor(), POLLIN, 0};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - Worker::Clock::now()).count();
    overdue = left <= 0;
    if (::poll(&descriptor, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000))) > 0)
      open = worker.receive();
  }
  if (overdue) worker.kill();
  return outcome_of(worker.reap(), overdue, limits);
}

}  // namespace

void check_selection(const Experiment& experiment) {
  const LimitsConfig& limits = experiment.sweep().limits;
  const std::uint64_t points = std::min(most_tried, experiment.design().points());
  for (std::uint64_t point = 0; point < points; ++point) {
    Worker worker = start_patiently(
        [&](ByteWriter& writer) { encode(try_selection(experiment, point), writer); },
        limits.memory);
    const RunOutcome outcome = answer_of(worker, limits);
    if (outcome.failed) continue;  // as its run will
    std::vector<Problem> problems;
    for (const KeptFigure& figure : outcome.figures)
      problems.push_back({figure.component, figure.name, figure.unit});
    if (!problems.empty()) throw ConfigError(std::move(problems));
    return;
  }
}

}  // namespace viosim
