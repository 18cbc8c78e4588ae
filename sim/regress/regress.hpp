// Runs what is recorded again and says what has changed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/compare/run_compare.hpp"
#include "sim/json/value.hpp"
#include "sim/regress/records.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct RegressOptions {
  std::filesystem::path program;             // that makes the runs: `viosim`
  std::vector<std::string> assignments;      // "/json/pointer=value", for every run
  std::optional<std::filesystem::path> out;  // where the new runs are kept, a folder each
  unsigned jobs = 0;                         // runs at a time; 0: one for each processor
  bool update = false;                       // records that differ are replaced, and those whose
                                             // program was of no commit when this one is of one
};

enum class Outcome : std::uint8_t {
  same,
  different,
  missing,   // there is no run.db to compare with
  recorded,  // there was none, and there is one now
  failed     // the run or its record could not be had
};
std::string_view name_of(Outcome outcome);

struct RecordReport {
  std::string name;
  Outcome outcome = Outcome::same;
  std::uint64_t events = 0;  // of the new run
  std::string text;          // what differs, or why it failed; for people
  std::string summary;       // the same in a line or a few, for a commit message
  // What the scenario expects of the new run and did not get: "host0.acc.aborted equals 0: 3".
  std::vector<std::string> not_met;
  Value json;         // the differences, for programs
  int exit_code = 0;  // of the verb, as far as this record goes
};

// All at once, in the order of their names. Throws ConfigError when the directory is not one of records.
std::vector<RecordReport> regress(const std::filesystem::path& directory,
                                  const RegressOptions& options);

// For people, and a commit message: which runs are not as their scenarios expect.
std::string not_met_text(const RecordReport& report);

// What changed, fit for a commit message; empty when nothing did.
std::string update_summary(const std::vector<RecordReport>& reports);

}  // namespace viosim
