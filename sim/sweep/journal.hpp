// What a sweep has finished so far: a file that survives its death.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/sqlite.hpp"
#include "sim/sweep/experiment.hpp"
#include "sim/sweep/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace viosim {

// What must be the same for a sweep to go on.
using SweepIdentity = std::map<std::string, std::string>;
SweepIdentity identity_of(const Experiment& experiment);
// Throws ConfigError, of `path`, with what is different from when it was begun.
void check_same_sweep(const std::filesystem::path& path, const SweepIdentity& begun,
                      const SweepIdentity& identity);

class Journal {
 public:
  // Begins anew, or goes on with the one that is there. `most_runs`: of the sweep. Throws ConfigError: there is one and
  // it is not to be resumed, it is of another sweep or format, it is something else, another program is writing it.
  struct Options {
    std::uint64_t most_runs = 0;
    bool resume = false;
  };
  Journal(const std::filesystem::path& path, const SweepIdentity& identity, Options options);

  // All that is there, by run number. Throws ConfigError: a row is not as it was written, or there is no such run.
  void for_each(const std::function<void(const FinishedRun&)>& visit);
  // In one transaction: what has been stored is not lost when the program is killed.
  void store(const std::vector<FinishedRun>& runs);
  void remove();  // the sweep is complete

 private:
  bool open();
  void check_format();
  void begin(const SweepIdentity& identity);
  void check(const SweepIdentity& identity);
  FinishedRun read(Statement& row) const;

  std::filesystem::path path_;
  std::uint64_t most_runs_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Statement> insert_;
};

}  // namespace viosim
