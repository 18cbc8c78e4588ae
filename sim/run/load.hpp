// From a scenario's file to the scenario and what it names, or to everything that is wrong with them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/run/recordings.hpp"
#include "sim/scenario/parts.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

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

// A document with its parts put in, read strictly. `explain` is given what is wrong, at the places of
// `document`, before these become places of files.
using ExplainProblems = std::function<std::vector<Problem>(std::vector<Problem>)>;
Scenario scenario_from(Value document, const std::string& file, PartFiles& parts,
                       const ExplainProblems& explain);

// A document with the overrides of the command line applied ("/json/pointer=value") and then its parts put
// in, read strictly.
Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& assignments,
                       std::optional<std::uint64_t> seed);

// A scenario and what it names, as far as a run needs it.
struct LoadedScenario {
  Scenario scenario;
  Recordings recordings;
};
// Reads a file with the overrides of the command line ("/json/pointer=value"). Throws ConfigError with everything that
// can be said about the file and its recordings at once.
LoadedScenario load_with_recordings(const std::filesystem::path& file,
                                    const std::vector<std::string>& assignments = {},
                                    std::optional<std::uint64_t> seed = {},
                                    Progress* progress = nullptr);

}  // namespace viosim
