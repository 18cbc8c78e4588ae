// The directory through which a sweep and its tasks on other machines work together.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/file_lock.hpp"
#include "sim/sweep/journal.hpp"
#include "sim/sweep/outcome.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace viosim {

// A slice is some runs, numbered from 0, that one task does. The sweep writes what is to be done; tasks write parts
// of what came of it. Every file appears whole, under a name of its own, by being renamed; nothing that is there
// changes. So a task that is killed, or run twice, or thought dead while it is not, does no harm: a part
// says which runs it has, and a run's outcome is the same in whichever part it is.
class Slices {
 public:
  static constexpr const char* directory_name = "sweep.slices";

  explicit Slices(std::filesystem::path directory) : directory_(std::move(directory)) {}
  const std::filesystem::path& directory() const { return directory_; }

  // For the sweep. Makes the directory, or goes on with the one that is there, which is then this object's until its
  // end. Throws ConfigError: there is one and it is not to be resumed, it is of another sweep, another process
  // works with it, it cannot be made.
  void open(const SweepIdentity& identity, bool resume);
  // Names the sweep here: no other one, and no other directory, has the same.
  const std::string& key() const { return key_; }
  void write_slice(std::uint64_t slice, const std::vector<std::uint64_t>& runs) const;
  // Whether it has handed out slices. Also of a directory that is not there.
  bool any() const;
  // The first number that no slice has.
  std::uint64_t next_slice() const;

  struct Part {
    std::uint64_t slice = 0;
    std::vector<FinishedRun> runs;  // none: the task has begun
  };
  // Those that have come since the last call, by name. One that is damaged is told, and counts as none.
  std::vector<Part> new_parts(const std::function<void(const std::string&)>& complain);
  void remove() const;
  // All but what tasks have printed, of a sweep that has come to nothing: the next one begins anew.
  void forget() const;

  // For a task. Throws ConfigError when it is not what the sweep was when it was submitted.
  void check(const SweepIdentity& identity) const;
  // Throws ConfigError: the file is not there, it says something else, or it has a run not below `most_runs`.
  std::vector<std::uint64_t> runs_of(std::uint64_t slice, std::uint64_t most_runs) const;
  // What earlier tasks have done of the slice.
  std::set<std::uint64_t> finished_of(std::uint64_t slice) const;
  // `task` tells apart tasks that do the same slice, `sequence` the parts of one.
  struct PartName {
    std::uint64_t slice = 0;
    std::string task;
    std::uint64_t sequence = 0;
  };
  void write_part(const PartName& name, const std::vector<FinishedRun>& runs) const;

 private:
  void remove_files() const;
  std::filesystem::path path_of(std::uint64_t slice) const;
  std::vector<std::string> names(const char* ending) const;
  Part read_part(const std::string& name) const;

  std::filesystem::path directory_;
  std::optional<FileLock> ours_;
  std::string key_;
  std::set<std::string> seen_;  // names of parts
};

}  // namespace viosim
