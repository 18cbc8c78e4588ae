// `viosim run` and `viosim replay`: from a document to results, with everything that is written on the way.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/trace_player.hpp"
#include "sim/check/scene.hpp"
#include "sim/json/value.hpp"
#include "sim/run/expectations.hpp"
#include "sim/run/load.hpp"
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
  bool json = true;              // the report has the summary for programs, too
  std::string file;              // what the user named, for errors
  Progress* progress = nullptr;  // told how far the run is; it outlives the run
};

struct RunReport {
  RunFacts facts;
  std::vector<std::string> components;
  std::string text;                          // summary for people
  Value json;                                // the same for programs; null when it was not wanted
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

}  // namespace viosim
