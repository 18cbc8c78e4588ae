// `viosim run` and `viosim replay`: from a document to results, with everything that is written on the way.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/trace_player.hpp"
#include "sim/check/scene.hpp"
#include "sim/json/value.hpp"
#include "sim/run/expectations.hpp"
#include "sim/run/progress.hpp"
#include "sim/run/recordings.hpp"
#include "sim/run/summary.hpp"
#include "sim/run/system.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

enum class TraceMode : std::uint8_t { full, off };

struct RunOptions {
  std::optional<std::filesystem::path> out;  // where run.db goes; none: nothing is written
  TraceMode trace = TraceMode::full;
  bool checks = true;            // the run is held against the invariants
  std::string file;              // what the user named, for errors
  Progress* progress = nullptr;  // told how far the run is; it outlives the run
};

struct RunReport {
  RunFacts facts;
  std::vector<std::string> components;
  std::string text;                          // summary for people
  Value json;                                // the same for programs
  std::vector<Verdict> verdicts;             // on what the scenario expects
  std::vector<check::Violation> violations;  // the first ones
  std::vector<Agreement>
      agreements;  // of the recordings that were played, in the order of the scenario
};

// The scenario is valid; paths in it are relative to `base`. Throws ConfigError, InternalError.
RunReport run_scenario(const Scenario& scenario, const std::filesystem::path& base,
                       const RunOptions& options);
// The same with recordings that were read already.
RunReport run_scenario(const Scenario& scenario, const Recordings& recordings,
                       const RunOptions& options);

// Whether everything that the events and expectations of a valid scenario name is there. Throws
// ConfigError.
void check_plan(const Scenario& scenario, const Recordings& recordings);

// The file is a JSON Schema, perhaps that of scenarios, and no scenario.
class SchemaGiven : public ConfigError {
 public:
  using ConfigError::ConfigError;
};

// A scenario as it stands in its file.
Value read_scenario_file(const std::filesystem::path& file);

// The same with its parts put in, read strictly. `explain` is given what is wrong, at the places of
// `document`, before these become places of files.
using ExplainProblems = std::function<std::vector<Problem>(std::vector<Problem>)>;
Scenario scenario_from(Value document, const std::string& file, const ExplainProblems& explain);

// A document with the overrides of the command line applied ("/json/pointer=value") and then its parts put
// in, read strictly.
Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& assignments,
                       std::optional<std::uint64_t> seed);

}  // namespace viosim
