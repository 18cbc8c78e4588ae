// The options of what runs something: run, replay; and of check.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/add_verbs.hpp"
#include "sim/command_line/checks.hpp"

#include <string>

namespace viosim {
namespace {

void add_checks(CLI::App& verb, bool& checks) {
  verb.add_option_function<std::string>(
          "--checks", [&checks](const std::string& text) { checks = text == "on"; },
          "on: hold the run against the invariants (default)")
      ->option_text("on|off")
      ->check(one_of({"on", "off"}));
}

}  // namespace

void add_progress(CLI::App& verb, ProgressMode& mode) {
  verb.add_option_function<std::string>(
          "--progress",
          [&mode](const std::string& text) {
            mode = text == "always"  ? ProgressMode::always
                   : text == "never" ? ProgressMode::never
                                     : ProgressMode::automatic;
          },
          "Tell on standard error how far a long run is; auto: where that is a terminal (default)")
      ->option_text("auto|always|never")
      ->check(one_of({"auto", "always", "never"}));
}

void add_run(CLI::App& app, RunArguments& arguments, int& code) {
  CLI::App* run = app.add_subcommand("run", "Run a scenario: print a summary, write OUT/run.db");
  run->add_option("SCENARIO", arguments.scenario, "a scenario file, JSON")
      ->required()
      ->check(named("file"));
  run->add_option("--seed", arguments.seed, "Use this seed instead of the scenario's")
      ->check(whole_number());
  repeatable(run->add_option("--set", arguments.assignments,
                             "Change the scenario: /json/pointer=value; may be repeated"));
  run->add_option("--out", arguments.out,
                  "Directory for run.db (default: out/NAME, by the scenario's name)")
      ->check(named("directory"));
  run->add_option_function<std::string>(
         "--trace",
         [&](const std::string& mode) {
           arguments.trace = mode == "off" ? TraceMode::off : TraceMode::full;
         },
         "full: every event (default); off: metrics and histograms only")
      ->option_text("full|off")
      ->check(one_of({"full", "off"}));
  add_checks(*run, arguments.checks);
  add_progress(*run, arguments.progress);
  run->add_flag("--json", arguments.json, "Print the summary as JSON");
  run->callback([&] { code = run_verb(arguments); });
}

void add_replay(CLI::App& app, ReplayArguments& arguments, int& code) {
  CLI::App* replay = app.add_subcommand("replay",
                                        "Play a recorded device stream through an IOMMU; say how "
                                        "far it agrees with what was recorded");
  replay->add_option("TRACE", arguments.trace, "a recording, .jsonl.zst or .jsonl")
      ->required()
      ->check(named("file"));
  replay
      ->add_option("--iommu", arguments.iommu,
                   "A named configuration, see `viosim models` (default: the recorder's own)")
      ->check(named("configuration; `viosim models` lists them"));
  replay->add_option("--out", arguments.out, "Directory for run.db (default: none is written)")
      ->check(named("directory"));
  add_checks(*replay, arguments.checks);
  add_progress(*replay, arguments.progress);
  replay->add_flag("--json", arguments.json, "Print the result as JSON");
  replay->callback([&] { code = replay_verb(arguments); });
}

void add_check(CLI::App& app, CheckArguments& arguments, int& code) {
  CLI::App* check = app.add_subcommand(
      "check", "Hold the trace of a run against the invariants, as the run itself was");
  check->add_option("RUN.db", arguments.database, "a run database with a full trace")
      ->required()
      ->check(named("file"));
  check->add_flag("--json", arguments.json, "Print the violations as JSON");
  check->callback([&] { code = check_verb(arguments.database, arguments.json); });
}

}  // namespace viosim
