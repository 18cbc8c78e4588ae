// Slurm's commands: sbatch, squeue, scancel.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/command.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

struct SlurmSettings {
  std::optional<std::string> partition;
  std::vector<std::string> sbatch;     // more options for it
  unsigned jobs = 1;                   // runs at a time of a task
  std::optional<std::uint64_t> slice;  // runs of a slice; none: slice_size()
  std::uint64_t tasks = 1000;          // in Slurm's queue, at most
  std::chrono::seconds poll{10};       // from one squeue to the next

  std::vector<std::string> sbatch_options() const;
};

// What a command of Slurm has said.
class SlurmError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The task of a job array that does one slice.
struct SlurmTask {
  std::string job;  // its array's number
  std::uint64_t slice = 0;
  std::string state;   // as squeue names it: RUNNING
  std::string reason;  // why it waits
  bool ended() const;
  bool waits() const { return state == "PENDING"; }
};

class Slurm {
 public:
  // Arrays have at most so many tasks, whose numbers begin at 0: Slurm's own limit, unless a cluster sets another.
  static constexpr std::uint64_t array_size = 1000;

  // `key` begins the names of jobs.
  Slurm(const Interrupt& interrupt, std::string key)
      : interrupt_(interrupt), key_(std::move(key)) {}
  // Throws ConfigError.
  static void check_commands();

  struct Submission {
    std::uint64_t first = 0;            // the slice of the array's task 0
    std::vector<std::uint64_t> slices;  // from there on, below first + array_size
    std::string script;                 // reads the number of its slice from the variable `slice`
    std::vector<std::string> options;   // of sbatch
    std::filesystem::path logs;         // a directory
  };
  // Returns the job's number. Throws SlurmError.
  std::string submit(const Submission& submission) const;
  // Those of this key that Slurm still knows of. Throws SlurmError.
  std::vector<SlurmTask> tasks() const;
  // `jobs`: numbers of arrays, or ids of tasks.
  void cancel(const std::set<std::string>& jobs) const;

  // What Slurm calls the task: "1234_17".
  static std::string id_of(const SlurmTask& task);
  // Where a task's output goes.
  static std::filesystem::path log_of(const std::filesystem::path& logs, const SlurmTask& task);

 private:
  std::string run(const std::vector<std::string>& words, const std::string& input) const;

  const Interrupt& interrupt_;
  std::string key_;
};

// What a task has printed last, each line on a line of its own; empty: nothing.
std::string last_lines_of(const std::filesystem::path& log);

// A line of squeue's answer: "1234|17|RUNNING|None|KEY.2000". None: it is no task of this key.
std::optional<SlurmTask> parse_slurm_task(std::string_view line, std::string_view key);

}  // namespace viosim
