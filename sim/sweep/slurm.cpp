// What is asked of Slurm, and what its answers mean.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slurm.hpp"

#include "core/base/error.hpp"
#include "sim/sweep/run_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>
#include <unistd.h>

namespace viosim {
namespace {

// Slurm's commands try for half a minute and more to reach their controller.
constexpr std::chrono::seconds longest_answer{120};

// slurm.h, enum job_states. Whatever else there is has not ended.
constexpr std::array<std::string_view, 10> ended_states = {
    "BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
    "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT"};

// Options that squeue and scancel take from the environment would hide tasks from the sweep, or keep them from
// being cancelled.
const std::vector<std::string> unheard = {"SQUEUE_", "SCANCEL_"};

constexpr const char* task_format = "--format=%F|%K|%T|%r|%j";

// Slurm puts numbers and names into file names in place of these.
std::string for_file_pattern(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? std::string("%%") : std::string(1, c);
  return text;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, number) != std::from_chars_result{end, {}})
    return std::nullopt;
  return number;
}

std::string_view take_field(std::string_view& line) {
  const std::size_t end = line.find('|');
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return field;
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \n\r\t") + 1);
  return text;
}

}  // namespace

std::vector<std::string> SlurmSettings::sbatch_options() const {
  std::vector<std::string> options{"--chdir=" + std::filesystem::current_path().string(),
                                   "--ntasks=1", fmt::format("--cpus-per-task={}", jobs)};
  if (partition) options.push_back("--partition=" + *partition);
  options.insert(options.end(), sbatch.begin(), sbatch.end());
  return options;
}

std::string last_lines_of(const std::filesystem::path& log) {
  constexpr std::size_t most = 5;
  std::vector<std::string> lines;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  const std::size_t skipped = lines.size() > most ? lines.size() - most : 0;
  std::string text;
  for (std::size_t i = skipped; i < lines.size(); ++i) text += "\n  " + lines[i];
  return text;
}

bool SlurmTask::ended() const {
  // One that no node could start waits for somebody to release it: "launch failed requeued held".
  if (reason.starts_with("launch failed")) return true;
  return std::find(ended_states.begin(), ended_states.end(), state) != ended_states.end();
}

std::optional<SlurmTask> parse_slurm_task(std::string_view line, std::string_view key) {
  SlurmTask task;
  task.job = take_field(line);
  const auto index = number_in(take_field(line));
  task.state = take_field(line);
  task.reason = take_field(line);
  if (!line.starts_with(key) || line.substr(key.size(), 1) != ".") return std::nullopt;
  const auto first = number_in(line.substr(key.size() + 1));
  if (!index || !first) return std::nullopt;
  task.slice = *first + *index;
  return task;
}

void Slurm::check_commands() {
  std::vector<Problem> problems;
  for (const char* name : {"sbatch", "squeue", "scancel"}) {
    if (has_command(name)) continue;
    problems.push_back(
        {"", "",
         fmt::format("--engine slurm: {} is not in PATH; expected Slurm's commands (Debian's "
                     "package slurm-client) on a machine that may submit jobs",
                     name)});
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

std::string Slurm::run(const std::vector<std::string>& words, const std::string& input) const {
  CommandResult result;
  try {
    result = run_command(words, input, {longest_answer, unheard}, interrupt_);
  } catch (const std::system_error& error) {  // no room for one more process
    throw SlurmError(
        fmt::format("{} could not be started: {}", words.front(), error.code().message()));
  }
  if (result.exit_code == 0) return result.output;
  const std::string said = trimmed(result.errors + result.output);
  throw SlurmError(fmt::format("{} ended with exit code {}{}{}", words.front(), result.exit_code,
                               said.empty() ? "" : ": ", said));
}

std::string Slurm::id_of(const SlurmTask& task) {
  return fmt::format("{}_{}", task.job, task.slice % array_size);
}

std::filesystem::path Slurm::log_of(const std::filesystem::path& logs, const SlurmTask& task) {
  return logs / (id_of(task) + ".log");
}

std::string Slurm::submit(const Submission& submission) const {
  std::vector<std::uint64_t> indices;
  for (const std::uint64_t slice : submission.slices) indices.push_back(slice - submission.first);
  const std::string log = for_file_pattern(submission.logs.string()) + "/%A_%a.log";
  std::vector<std::string> words{"sbatch",
                                 "--parsable",
                                 fmt::format("--job-name={}.{}", key_, submission.first),
                                 "--array=" + run_set_text(indices),
                                 "--output=" + log,
                                 "--error=" + log,  // or SBATCH_ERROR would say it
                                 "--open-mode=append",
                                 "--no-requeue"};
  words.insert(words.end(), submission.options.begin(), submission.options.end());
  const std::string script = fmt::format("#!/bin/sh\nslice=$(({} + SLURM_ARRAY_TASK_ID))\n{}\n",
                                         submission.first, submission.script);
  // "1234", or "1234;cluster"
  const std::string answer = trimmed(run(words, script));
  return answer.substr(0, answer.find(';'));
}

std::vector<SlurmTask> Slurm::tasks() const {
  // "--all": also where a partition is hidden, or not for this user any more.
  std::istringstream answer(run({"squeue", "--all", "--noheader", "--array", "--states=all",
                                 fmt::format("--user={}", ::geteuid()), task_format},
                                {}));
  std::vector<SlurmTask> tasks;
  for (std::string line; std::getline(answer, line);) {
    if (auto task = parse_slurm_task(line, key_)) tasks.push_back(*std::move(task));
  }
  return tasks;
}

void Slurm::cancel(const std::set<std::string>& jobs) const {
  if (jobs.empty()) return;
  std::vector<std::string> words{"scancel", "--quiet"};
  words.insert(words.end(), jobs.begin(), jobs.end());
  run(words, {});
}

}  // namespace viosim
