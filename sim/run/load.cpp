// Collects what is wrong over all steps of loading, where one step does not depend on the other.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/load.hpp"

#include "sim/json/json.hpp"
#include "sim/json/pointer.hpp"
#include "sim/run/diagnosis.hpp"
#include "sim/run/trial.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

// A value of the command line is not in the file that problems name.
std::vector<Problem> naming_assignments(std::vector<Problem> problems,
                                        const std::vector<std::string>& assignments) {
  for (Problem& problem : problems) {
    for (const std::string& assignment : assignments) {
      const std::string pointer = assignment.substr(0, assignment.find('='));
      if (problem.pointer != pointer && !problem.pointer.starts_with(pointer + '/')) continue;
      problem.message +=
          problem.pointer == pointer ? " (from --set)" : fmt::format(" (from --set {})", pointer);
      break;
    }
  }
  return problems;
}

// A scenario names the file of its schema; a schema names the language that it is written in.
bool is_schema(const Value& document) {
  const Value::Object* const object = document.if_object();
  const Value* const language = object != nullptr ? find(*object, "$schema") : nullptr;
  const std::string* const name = language != nullptr ? language->if_text() : nullptr;
  return name != nullptr && name->find("//json-schema.org/") != std::string::npos;
}

Value read_scenario_file(const std::filesystem::path& file, std::vector<Problem>& repeated) {
  Value document = read_json_file(file, repeated);
  if (is_schema(document))
    throw SchemaGiven(Problem{file.string(), "/$schema", "a JSON Schema; expected a scenario"});
  return document;
}

void add(std::vector<Problem>& problems, const std::vector<Problem>& more) {
  for (const Problem& problem : more) {
    if (std::find(problems.begin(), problems.end(), problem) == problems.end())
      problems.push_back(problem);
  }
}

// Where a part could not be put in, what seems to be missing is perhaps in it.
bool in_incomplete(const Problem& problem, const std::vector<std::string>& incomplete) {
  return std::any_of(incomplete.begin(), incomplete.end(), [&](const std::string& pointer) {
    return problem.pointer == pointer || problem.pointer.starts_with(pointer + '/');
  });
}

// The scenario, when the document has no mistakes; otherwise they are added.
std::optional<Scenario> read_all(const AssembledDocument& assembled, const std::string& file,
                                 const std::vector<std::string>& assignments,
                                 std::vector<Problem>& problems) {
  add(problems, assembled.problems);
  try {
    return read_scenario(assembled.document, file);
  } catch (const ConfigError& error) {
    std::vector<Problem> found = error.problems();
    std::erase_if(found, [&](const Problem& problem) {
      return in_incomplete(problem, assembled.incomplete);
    });
    add(problems, assembled.origins.locate(naming_assignments(std::move(found), assignments)));
  }
  return {};
}

}  // namespace

Value read_scenario_file(const std::filesystem::path& file) {
  std::vector<Problem> repeated;
  Value document = read_scenario_file(file, repeated);
  if (!repeated.empty()) throw ConfigError(std::move(repeated));
  return document;
}

Scenario scenario_from(Value document, const std::string& file, PartFiles& parts,
                       const ExplainProblems& explain) {
  AssembledDocument assembled = assemble(std::move(document), file, parts);
  try {
    Scenario scenario = read_scenario(assembled.document, file);
    scenario.origins = std::move(assembled.origins);
    return scenario;
  } catch (const ConfigError& error) {
    throw ConfigError(assembled.origins.locate(explain(error.problems())));
  }
}

Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& assignments,
                       std::optional<std::uint64_t> seed) {
  Value document = read_scenario_file(file);
  for (const std::string& assignment : assignments) set_assignment(document, assignment);
  PartFiles parts;
  Scenario scenario = scenario_from(std::move(document), file.string(), parts, [&](auto problems) {
    return naming_assignments(std::move(problems), assignments);
  });
  if (seed) scenario.seed = *seed;
  return scenario;
}

LoadedScenario load_with_recordings(const std::filesystem::path& file,
                                    const std::vector<std::string>& assignments,
                                    std::optional<std::uint64_t> seed, Progress* progress) {
  std::vector<Problem> problems;
  Value document = read_scenario_file(file, problems);
  const bool repeated = !problems.empty();
  for (const std::string& assignment : assignments) set_assignment(document, assignment);
  AssembledDocument assembled = assemble_what_can_be(std::move(document), file.string());
  LoadedScenario loaded;
  if (auto scenario = read_all(assembled, file.string(), assignments, problems);
      scenario && problems.empty()) {
    loaded.scenario = std::move(*scenario);
    loaded.scenario.origins = assembled.origins;
    if (seed) loaded.scenario.seed = *seed;
    try {
      loaded.recordings =
          read_recordings(loaded.scenario, {file.parent_path(), file.string()}, progress);
      return loaded;
    } catch (const ConfigError& error) {
      add(problems, error.problems());
    }
  }
  add(problems, assembled.origins.locate(diagnose(assembled.document, file.string(),
                                                  file.parent_path(), progress, !repeated)));
  throw ConfigError(std::move(problems));
}

void check_plan(const Scenario& scenario, const Recordings& recordings) {
  // What is named is all there; and building a large system takes its time.
  if (scenario.events.empty() && scenario.injections.empty() && scenario.expect.empty()) return;
  const Trial trial(scenario, recordings);
}

}  // namespace viosim
