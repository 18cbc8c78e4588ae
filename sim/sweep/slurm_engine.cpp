// Submits slices, collects parts, and submits again what was lost.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slurm_engine.hpp"

#include "core/base/error.hpp"
#include "sim/run/numbers.hpp"
#include "sim/sweep/command.hpp"
#include "sim/sweep/shell_word.hpp"
#include "sim/sweep/slice_size.hpp"
#include "sim/sweep/slice_task.hpp"
#include "sim/sweep/wait_reason.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace viosim {
namespace {

constexpr std::chrono::milliseconds pause{500};      // from one look at the directory to the next
constexpr std::chrono::seconds longest_farewell{3};  // for tasks that are cancelled
constexpr unsigned most_submissions = 3;             // of a slice that does not begin
constexpr unsigned most_losses = 3;                  // of a run that is alone in its slice
constexpr std::uint64_t pieces = 4;                  // that a lost slice becomes
constexpr std::uintmax_t least_room = 65536;         // bytes, in which an outcome may not have room

}  // namespace

SlurmEngine::SlurmEngine(const Experiment& experiment, Schedule& schedule, Slices& slices,
                         const Interrupt& interrupt, SlurmSettings settings)
    : experiment_(experiment),
      schedule_(schedule),
      directory_(slices),
      interrupt_(interrupt),
      settings_(std::move(settings)),
      slurm_(interrupt, slices.key()) {}

void SlurmEngine::run(const EngineListener& listener) {
  listener_ = listener;
  next_slice_ = directory_.next_slice();
  slice_size_ = settings_.slice
                    ? *settings_.slice
                    : slice_size(experiment_.most_runs(), seconds_of_a_run(experiment_, interrupt_),
                                 settings_.jobs);
  try {
    adopt();
    work();
  } catch (...) {
    leave();
    collect();  // what tasks wrote when they were cancelled
    if (nothing_came_of_it_ && schedule_.finished() == 0) directory_.forget();
    throw;
  }
  leave();
  collect();
}

// What an earlier process has submitted and is still to come.
void SlurmEngine::adopt() {
  if (next_slice_ == 0) return;
  try {
    for (const SlurmTask& task : slurm_.tasks()) {
      if (task.ended() || task.slice >= next_slice_) continue;
      jobs_.insert(task.job);
      Slice& slice = slices_[task.slice];
      slice.runs = directory_.runs_of(task.slice, experiment_.most_runs());
      slice.job = task.job;
      slice.submissions = 1;
      for (const std::uint64_t run : slice.runs) schedule_.start(run);
    }
  } catch (const SlurmError& error) {
    throw ConfigError({"", "", error.what()});
  }
  if (!slices_.empty())
    listener_.say(fmt::format("goes on with {} in Slurm's queue", counted(slices_.size(), "task")));
}

void SlurmEngine::work() {
  collect();
  forget_finished();  // what was adopted, if no part has come
  next_poll_ = Worker::Clock::now() + settings_.poll;
  std::vector<pollfd> nothing;
  while (!schedule_.complete() && interrupt_.signal() == 0) {
    refill();
    submit();
    interrupt_.wait(nothing, pause);
    collect();
    if (Worker::Clock::now() >= next_poll_) poll();
    listener_.tick(state_text_);
  }
}

void SlurmEngine::collect() {
  std::vector<FinishedRun> finished;
  for (Slices::Part& part : directory_.new_parts(listener_.say)) {
    if (const auto slice = slices_.find(part.slice); slice != slices_.end())
      slice->second.begun = true;
    for (FinishedRun& one : part.runs) {
      if (one.run >= experiment_.most_runs() || schedule_.is_finished(one.run)) continue;
      schedule_.finish(one.run, one.outcome);
      finished.push_back(std::move(one));
    }
  }
  if (finished.empty()) return;
  listener_.store(finished);
  forget_finished();
}

// Runs that are done, and those that a stop rule no longer asks for.
void SlurmEngine::forget_finished() {
  const std::uint32_t replicates = experiment_.sweep().replicates_at_most();
  for (auto& [number, slice] : slices_) {
    std::erase_if(slice.runs, [&](std::uint64_t run) { return schedule_.is_finished(run); });
    const std::size_t unfinished = slice.runs.size();
    std::erase_if(slice.runs, [&](std::uint64_t run) {
      return schedule_.replicates(run / replicates).has_value();
    });
    if (unfinished != 0 && slice.runs.empty()) unneeded_.insert(number);
  }
  std::erase_if(slices_, [](const auto& entry) { return entry.second.runs.empty(); });
  std::erase_if(waiting_, [&](std::uint64_t slice) { return !slices_.contains(slice); });
}

void SlurmEngine::poll() {
  next_poll_ = Worker::Clock::now() + settings_.poll;
  try {
    const Queue queue = look();
    collect();  // what tasks have written before they ended is there now
    replace_lost(queue);
    cancel_unneeded(queue);
  } catch (const SlurmError& error) {
    if (interrupt_.signal() == 0) say_once(error.what());
  }
}

SlurmEngine::Queue SlurmEngine::look() {
  Queue queue;
  std::uint64_t running = 0;
  std::string reason;
  for (const SlurmTask& task : slurm_.tasks()) {
    if (task.ended()) {
      queue.ended[task.slice] = task.state;
      continue;
    }
    queue.live.insert(task.slice);
    if (unneeded_.contains(task.slice)) queue.unneeded.insert(Slurm::id_of(task));
    if (!task.waits()) ++running;
    tell_why(task);
    if (task.waits() && task.reason != "None") reason = fmt::format(" ({})", task.reason);
  }
  state_text_ = counted(running, "task") + " running";
  if (const std::uint64_t waiting = queue.live.size() - running; waiting != 0)
    state_text_ += fmt::format(", {} waiting{}", grouped(waiting), reason);
  return queue;
}

// Tasks of which nobody wants anything any more; the next poll looks whether any is left.
void SlurmEngine::cancel_unneeded(const Queue& queue) const { slurm_.cancel(queue.unneeded); }

// Only what two polls have missed: a file system that machines share may show a part late.
void SlurmEngine::replace_lost(const Queue& queue) {
  std::map<std::uint64_t, Slice> lost;
  for (auto& [number, slice] : slices_) {
    const bool was_missed = slice.missed;
    slice.missed = !queue.live.contains(number) && !waiting_.contains(number);
    if (was_missed && slice.missed) lost[number] = slice;
  }
  for (const auto& [number, slice] : lost) {
    const auto state = queue.ended.find(number);
    replace(number, slice, state == queue.ended.end() ? "unknown to Slurm" : state->second);
  }
}

void SlurmEngine::replace(std::uint64_t number, const Slice& lost, const std::string& state) {
  if (!lost.begun) {
    if (lost.submissions >= most_submissions) refuse(number, lost, state);
    listener_.say(fmt::format("slice {} has lost its task ({}) before it began; submitted again",
                              number, state));
    waiting_.insert(number);
    return;
  }
  slices_.erase(number);
  const bool alone = lost.runs.size() == 1;
  if (alone && lost.losses + 1 >= most_losses) {
    refuse_if_given_up(number, lost, state);
    return fail(lost.runs.front(), state);
  }
  listener_.say(fmt::format("slice {} has lost its task ({}); {} submitted again", number, state,
                            counted(lost.runs.size(), "run")));
  const std::size_t size = (lost.runs.size() + pieces - 1) / pieces;
  for (std::size_t begin = 0; begin < lost.runs.size(); begin += size) {
    const std::size_t end = std::min(begin + size, lost.runs.size());
    add_slice({lost.runs.begin() + static_cast<std::ptrdiff_t>(begin),
               lost.runs.begin() + static_cast<std::ptrdiff_t>(end)},
              alone ? lost.losses + 1 : 0);
  }
}

// A task that cannot write what its run has given says so: that is not the run's fault.
void SlurmEngine::refuse_if_given_up(std::uint64_t number, const Slice& slice,
                                     const std::string& state) const {
  const std::filesystem::path log = log_of(number, slice);
  const std::string lines = last_lines_of(log);
  std::error_code unknown;
  const std::uintmax_t room = std::filesystem::space(directory_.directory(), unknown).available;
  const bool is_full = !unknown && room < least_room;
  if (!is_full && lines.find(slice_given_up) == std::string::npos) return;
  std::string why = lines.empty() ? "it printed nothing" : "it printed:" + lines;
  if (is_full) why = fmt::format("{} bytes are left in its directory; ", room) + why;
  throw ConfigError(
      {log.string(), "",
       fmt::format("{} tasks of a run have ended ({}) without its outcome, the last one is of "
                   "slice {}; {}",
                   most_losses, state, number, why)});
}

void SlurmEngine::fail(std::uint64_t run, const std::string& state) {
  FinishedRun finished;
  finished.run = run;
  finished.outcome.failed = {
      FailureKind::crash,
      fmt::format("each of {} tasks that did this run alone ended without a word; the last one: {}",
                  most_losses, state)};
  schedule_.finish(run, finished.outcome);
  listener_.store({finished});
}

std::filesystem::path SlurmEngine::log_of(std::uint64_t number, const Slice& slice) const {
  SlurmTask task;
  task.job = slice.job;
  task.slice = number;
  return Slurm::log_of(directory_.directory(), task);
}

void SlurmEngine::refuse(std::uint64_t number, const Slice& slice, const std::string& state) {
  const std::filesystem::path log = log_of(number, slice);
  const std::string lines = last_lines_of(log);
  nothing_came_of_it_ = true;
  throw ConfigError({log.string(), "",
                     fmt::format("{} tasks of slice {} have ended ({}) before they began; {}",
                                 most_submissions, number, state,
                                 lines.empty() ? "the last one printed nothing"
                                               : "the last one printed:" + lines)});
}

void SlurmEngine::add_slice(std::vector<std::uint64_t> runs, unsigned losses) {
  directory_.write_slice(next_slice_, runs);
  slices_[next_slice_].runs = std::move(runs);
  slices_[next_slice_].losses = losses;
  waiting_.insert(next_slice_);
  ++next_slice_;
}

// With a stop rule in rounds, each of which may double the replicates of the points that are not decided: what the
// rule will ask for is known only when results are there.
void SlurmEngine::refill() {
  const std::optional<StopRule>& stop = experiment_.sweep().stop;
  if (!stop) round_left_ = std::numeric_limits<std::uint64_t>::max();
  if (stop && slices_.empty() && round_left_ == 0)
    round_left_ = (schedule_.open_points() * stop->minimum)
                  << std::min<std::uint64_t>(rounds_++, 20);
  while (slices_.size() < settings_.tasks && round_left_ != 0) {
    std::vector<std::uint64_t> runs;
    while (runs.size() < slice_size_ && round_left_ != 0) {
      const auto run = schedule_.next();
      round_left_ = run ? round_left_ - 1 : 0;
      if (run) runs.push_back(*run);
    }
    if (!runs.empty()) add_slice(std::move(runs), 0);
  }
}

void SlurmEngine::submit() {
  if (waiting_.empty() || Worker::Clock::now() < next_submission_) return;
  try {
    while (!waiting_.empty() && interrupt_.signal() == 0)
      submit_array(*waiting_.begin() / Slurm::array_size * Slurm::array_size);
  } catch (const SlurmError& error) {
    if (interrupt_.signal() != 0) return;
    if (jobs_.empty()) {
      nothing_came_of_it_ = true;
      throw ConfigError({"", "", error.what()});
    }
    say_once(error.what());
    next_submission_ = Worker::Clock::now() + settings_.poll;
  }
}

void SlurmEngine::submit_array(std::uint64_t first) {
  Slurm::Submission submission{
      first, {}, script(), settings_.sbatch_options(), directory_.directory()};
  const auto end = waiting_.lower_bound(first + Slurm::array_size);
  submission.slices.assign(waiting_.begin(), end);
  const std::string job = slurm_.submit(submission);
  jobs_.insert(job);
  for (const std::uint64_t number : submission.slices) {
    slices_[number].job = job;
    ++slices_[number].submissions;
  }
  waiting_.erase(waiting_.begin(), end);
}

std::string SlurmEngine::script() const {
  return fmt::format("exec {} slice {} {} \"$slice\" --jobs {}\n", shell_word(this_program()),
                     shell_word(experiment_.file()), shell_word(directory_.directory().string()),
                     settings_.jobs);
}

// Jobs that are in the queue, found by their names: also what a command has submitted that was interrupted.
std::set<std::string> SlurmEngine::live_jobs() const {
  std::set<std::string> live;
  for (const SlurmTask& task : slurm_.tasks()) {
    if (!task.ended()) live.insert(task.job);
  }
  return live;
}

// Tasks that are cancelled write what they have done; those of a node that is gone stay in the queue.
void SlurmEngine::cancel_and_wait() {
  std::set<std::string> live = live_jobs();
  slurm_.cancel(live);
  const auto deadline = Worker::Clock::now() + longest_farewell;
  std::vector<pollfd> nothing;
  while (!live.empty() && Worker::Clock::now() < deadline) {
    interrupt_.wait(nothing, pause);
    live = live_jobs();
  }
}

// A command that was being started when Ctrl-C was pressed may have taken it for its own: it is given another time.
void SlurmEngine::leave() {
  constexpr int times = 3;
  for (int i = 1; i <= times; ++i) {
    try {
      return cancel_and_wait();
    } catch (const SlurmError& error) {
      std::vector<pollfd> nothing;
      if (i < times)
        interrupt_.wait(nothing, pause);
      else
        listener_.say(fmt::format("tasks may be left in Slurm's queue: {}", error.what()));
    }
  }
}

// A reason may go on with names of nodes, which change.
void SlurmEngine::tell_why(const SlurmTask& task) {
  const auto text = wait_text(task);
  if (text && told_reasons_.insert(task.reason.substr(0, task.reason.find(','))).second)
    listener_.say(*text);
}

void SlurmEngine::say_once(const std::string& text) {
  if (text != said_) listener_.say(text);
  said_ = text;
}

}  // namespace viosim
