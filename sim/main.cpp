// The program viosim: a command line becomes a verb, an exception an exit code.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/command_line/add_verbs.hpp"
#include "sim/command_line/problem.hpp"
#include "sim/version.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>

namespace {

using namespace viosim;

enum Exit : int { fine = 0, unexpected = 1, wrong_input = 2, our_fault = 3 };

// Standard error may be closed or full, which fmt::print would throw about.
void complain(const std::string& text) { std::fputs((text + '\n').c_str(), stderr); }

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

int run_command_line(int argc, char** argv) {
  CLI::App app{"viosim simulates hosts, IOMMUs and devices, event by event, to the picosecond."};
  app.set_version_flag("--version", "viosim " + std::string(program_version));
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 fine, 1 the run found what was not expected, 2 the input is wrong, 3 a fault "
      "of the program.");
  int code = fine;
  Arguments arguments;
  add_verbs(app, arguments, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    complain(fmt::format("viosim: {}\nviosim --help, or viosim VERB --help, lists what there is.",
                         command_line_problem(app, error, argc, argv)));
    return wrong_input;
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit becomes an error with a message
  try {
    const int code = run_command_line(argc, argv);
    if (std::fflush(stdout) != 0)
      throw viosim::ConfigError(
          {"", "", "standard output cannot be written: " + std::generic_category().message(errno)});
    return code;
  } catch (const viosim::ConfigError& error) {
    std::fflush(stdout);
    for (const viosim::Problem& problem : error.problems()) complain("viosim: " + problem.text());
    return wrong_input;
  } catch (const viosim::LivelockError& error) {
    std::fflush(stdout);
    complain(fmt::format("viosim: the run failed: {}", error.what()));
    return unexpected;
  } catch (const std::system_error& error) {
    const bool of_print = std::ferror(stdout) != 0;
    complain(fmt::format("viosim: {}: {}",
                         of_print ? "standard output cannot be written" : "the system refuses",
                         error.code().message()));
    return of_print ? wrong_input : our_fault;
  } catch (const std::bad_alloc&) {
    complain("viosim: out of memory");
    return our_fault;
  } catch (const std::exception& error) {
    complain(
        fmt::format("viosim: internal error: {}\nThis is a fault of viosim; the scenario, its "
                    "seed and this message reproduce it.",
                    error.what()));
    return our_fault;
  }
}
