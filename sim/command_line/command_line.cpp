// All verbs, their options and what to say of a command line that has neither.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/command_line.hpp"

#include "core/base/error.hpp"
#include "sim/command_line/add_verbs.hpp"
#include "sim/command_line/problem.hpp"
#include "sim/version.hpp"

#include <fmt/format.h>

#include <string>

namespace viosim {
namespace {

struct Arguments {
  RunArguments run;
  ReplayArguments replay;
  CheckArguments check;
  TraceArguments trace;
  DiffArguments diff;
  RegressArguments regress;
  ValidateArguments validate;
  SchemaOf schema = SchemaOf::scenario;
  SweepArguments sweep;
  SliceArguments slice;
  ResultsArguments results;
  ReportArguments report;
  ModelsArguments models;
};

// In the order in which --help lists them.
void add_verbs(CLI::App& app, Arguments& arguments, int& code) {
  add_run(app, arguments.run, code);
  add_replay(app, arguments.replay, code);
  add_check(app, arguments.check, code);
  add_trace(app, arguments.trace, code);
  add_diff(app, arguments.diff, code);
  add_regress(app, arguments.regress, code);
  add_validate(app, arguments.validate, code);
  add_schema(app, arguments.schema, code);
  add_sweep(app, arguments.sweep, code);
  add_slice(app, arguments.slice, code);
  add_results(app, arguments.results, code);
  add_report(app, arguments.report, code);
  add_models(app, arguments.models, code);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{"viosim simulates hosts, IOMMUs and devices, event by event, to the picosecond."};
  app.set_version_flag("--version", "viosim " + std::string(program_version));
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 fine, 1 the run found what was not expected, 2 the input is wrong, 3 a fault "
      "of the program.");
  int code = 0;
  Arguments arguments;
  add_verbs(app, arguments, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    throw ConfigError({"", "",
                       fmt::format("{}\nviosim --help, or viosim VERB --help, lists what there is.",
                                   command_line_problem(app, error, argc, argv))});
  }
  return code;
}

}  // namespace viosim
