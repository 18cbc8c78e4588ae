// `viosim run`: a scenario, its summary and its database.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/value.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace viosim {

int run_verb(const RunArguments& arguments) {
  Progress progress(arguments.progress);
  const LoadedScenario loaded =
      load_with_recordings(arguments.scenario, arguments.assignments, arguments.seed, &progress);
  const Scenario& scenario = loaded.scenario;
  RunOptions options;
  options.out = arguments.out.value_or(std::filesystem::path("out") / scenario.name);
  options.trace = arguments.trace;
  options.checks = arguments.checks;
  options.json = arguments.json;
  options.file = arguments.scenario.string();
  options.progress = &progress;
  const RunReport report = run_scenario(scenario, loaded.recordings, options);
  progress.end();
  if (arguments.json) {
    fmt::print("{}\n", to_text(report.json, Layout::indented));
  } else {
    fmt::print("{}", report.text);
  }
  return all_met(report.verdicts) ? 0 : 1;
}

}  // namespace viosim
