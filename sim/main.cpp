// The command line of viosim: verbs, no logic.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/value.hpp"
#include "sim/verbs/verbs.hpp"
#include "sim/version.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using namespace viosim;

// A check whose message says what was read and what would be right.
CLI::Validator one_of(const std::vector<std::string>& choices) {
  return CLI::Validator(
      [choices](std::string& text) -> std::string {
        if (std::find(choices.begin(), choices.end(), text) != choices.end()) return {};
        return fmt::format("read \"{}\"; expected \"{}\"", text, fmt::join(choices, "\" or \""));
      },
      "");
}

CLI::Validator whole_number() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        std::uint64_t number = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, number) == std::from_chars_result{end, {}}) return {};
        return fmt::format("read \"{}\"; expected a whole number from 0 to 18446744073709551615",
                           text);
      },
      "");
}

// A file or a directory: an empty word comes from a variable that was not set.
CLI::Validator named(const char* what) {
  return CLI::Validator(
      [what](std::string& text) -> std::string {
        return text.empty() ? fmt::format("read \"\"; expected the name of a {}", what) : "";
      },
      "");
}

// Standard error may be closed or full, which fmt::print would throw about.
void complain(const std::string& text) { std::fputs((text + '\n').c_str(), stderr); }

std::string did_you_mean(std::string_view text, const std::vector<std::string>& names) {
  const std::string_view nearest = nearest_name(text, {names.begin(), names.end()});
  return nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest);
}

// With their dashes.
std::vector<std::string> option_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// The first option that the verb does not know; CLI11 complains about missing arguments first.
std::string unknown_option(const CLI::App& verb, const std::vector<std::string_view>& words) {
  const std::vector<std::string> names = option_names(verb);
  for (const std::string_view word : words) {
    if (word == "--") break;
    const std::string_view name = word.substr(0, word.find('='));
    if (!name.starts_with('-') || name.size() < 2) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string hint = did_you_mean(name, names);
    return fmt::format(
        "unknown option \"{}\"{}", name,
        hint.empty() ? fmt::format("; expected one of {}", fmt::join(names, ", ")) : hint);
  }
  return {};
}

// The verb that knows this option: the one that is written after it, or the first that does. Empty when none does.
std::string verb_with_option(const CLI::App& app, const std::vector<std::string_view>& words) {
  std::string first;
  const std::string_view option = words.front().substr(0, words.front().find('='));
  for (const CLI::App* verb : app.get_subcommands({})) {
    const std::vector<std::string> names = option_names(*verb);
    if (std::find(names.begin(), names.end(), option) == names.end()) continue;
    const bool written = std::find(words.begin(), words.end(), verb->get_name()) != words.end();
    if (written || first.empty()) first = verb->get_name();
    if (written) break;
  }
  return first;
}

// What a verb lacks, or has too much of.
std::string arguments_problem(const CLI::App& verb, const std::vector<std::string_view>& words,
                              const CLI::ParseError& error) {
  if (const auto inner = verb.get_subcommands(); !inner.empty())
    return arguments_problem(*inner.front(), {words.begin() + 1, words.end()}, error);
  if (const auto choices = verb.get_subcommands({}); !choices.empty()) {
    std::vector<std::string> names;
    names.reserve(choices.size());
    for (const CLI::App* choice : choices) names.push_back(choice->get_name());
    const std::string_view first = words.empty() ? "" : words.front();
    return fmt::format("{}: read {}; expected one of {}{}", verb.get_name(),
                       first.empty() ? "nothing after it" : quote_short(first),
                       fmt::join(names, ", "), did_you_mean(first, names));
  }
  if (std::string problem = unknown_option(verb, words); !problem.empty()) return problem;
  const std::string what = error.what();
  const std::string name = what.substr(0, what.find(' '));
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_name() == name)
      return fmt::format("{}: read nothing; expected {}", name, option->get_description());
  }
  // "The following argument was not expected: b"; of several, the last comes first.
  const std::string extras = what.substr(what.find(": ") + 2);
  return fmt::format("read {}; expected nothing more after the arguments of {}", extras,
                     verb.get_name());
}

// What is wrong with the command line, in our own words where CLI11 has none.
std::string parse_problem(const CLI::App& app, const CLI::ParseError& error, int argc,
                          char** argv) {
  const std::string_view what = error.what();
  const std::string_view option = what.substr(0, what.find(':'));
  if (what.find(" required") != std::string_view::npos && what.ends_with(" missing"))
    return fmt::format("{}: read nothing after it; expected a value", option);
  if (what.find("At Most 1") != std::string_view::npos)
    return fmt::format("{}: read twice; expected at most once", option);
  const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
  const auto is = [&](CLI::ExitCodes kind) {
    return error.get_exit_code() == static_cast<int>(kind);
  };
  const std::string_view first = words.empty() ? "" : words.front();
  if (first.starts_with('-')) {
    if (const std::string verb = verb_with_option(app, words); !verb.empty()) {
      const std::string_view name = first.substr(0, first.find('='));
      return fmt::format("{} comes after the verb: viosim {} {}", name, verb, first);
    }
  }
  if (const auto verbs = app.get_subcommands(); !verbs.empty()) {
    const std::vector<std::string_view> rest(words.begin() + 1, words.end());
    // What follows an unknown option was taken for an argument of the verb.
    if (is(CLI::ExitCodes::ValidationError) && !what.starts_with('-')) {
      const std::string problem = unknown_option(*verbs.front(), rest);
      return problem.empty() ? error.what() : problem;
    }
    if (!is(CLI::ExitCodes::RequiredError) && !is(CLI::ExitCodes::ExtrasError)) return error.what();
    return arguments_problem(*verbs.front(), rest, error);
  }
  if (first.starts_with('-')) {
    const std::string problem = unknown_option(app, words);
    return problem.empty() ? error.what() : problem;
  }
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
  if (words.empty()) return fmt::format("no verb; expected one of {}", fmt::join(names, ", "));
  return fmt::format("unknown verb {}; expected one of {}{}", quote_short(first),
                     fmt::join(names, ", "), did_you_mean(first, names));
}

enum Exit : int { fine = 0, unexpected = 1, wrong_input = 2, our_fault = 3 };

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

void add_checks(CLI::App& verb, bool& checks) {
  verb.add_option_function<std::string>(
          "--checks", [&checks](const std::string& text) { checks = text == "on"; },
          "on: hold the run against the invariants (default)")
      ->option_text("on|off")
      ->check(one_of({"on", "off"}));
}

void add_run(CLI::App& app, RunArguments& arguments, int& code) {
  CLI::App* run = app.add_subcommand("run", "Run a scenario: print a summary, write OUT/run.db");
  run->add_option("SCENARIO", arguments.scenario, "a scenario file, JSON")
      ->required()
      ->check(named("file"));
  run->add_option("--seed", arguments.seed, "Use this seed instead of the scenario's")
      ->check(whole_number());
  run->add_option("--set", arguments.assignments,
                  "Change the scenario: /json/pointer=value; may be repeated");
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

void add_filter(CLI::App& verb, TraceArguments& arguments) {
  verb.add_option("RUN.db", arguments.database, "a run database")->required()->check(named("file"));
  TraceFilter& filter = arguments.filter;
  verb.add_option("--component", filter.components,
                  "Of this component and all below it: a path such as host0.acc[0-3]; may be "
                  "repeated")
      ->option_text("PATH");
  verb.add_option("--guest", filter.guests, "Of this guest: a path such as host0.vm[1], or vm[1]")
      ->option_text("PATH");
  verb.add_option("--kind", filter.kinds, "Of this kind, such as translate; may be repeated")
      ->option_text("KIND");
  verb.add_option("--pasid", filter.pasids, "With this PASID; may be repeated")
      ->option_text("N")
      ->check(whole_number());
  verb.add_option("--from", arguments.from, "That ended at this time or later: \"1.5 us\"")
      ->option_text("TIME");
  verb.add_option("--until", arguments.until, "That ended at this time or earlier")
      ->option_text("TIME");
  verb.add_option("--limit", filter.limit, "The first N of them")
      ->option_text("N")
      ->check(whole_number());
}

void add_trace(CLI::App& app, TraceArguments& arguments, int& code) {
  CLI::App* trace = app.add_subcommand("trace", "Show or export the event trace of a run");
  trace->require_subcommand(1);
  CLI::App* show = trace->add_subcommand("show", "Print events in columns, with units");
  add_filter(*show, arguments);
  show->callback([&] { code = trace_verb(arguments); });
  CLI::App* written = trace->add_subcommand(
      "export", "Write events as JSON lines, CSV, or JSON that ui.perfetto.dev opens");
  add_filter(*written, arguments);
  written
      ->add_option_function<std::string>(
          "--format",
          [&](const std::string& format) {
            arguments.format = format == "jsonl" ? TraceFormat::jsonl
                               : format == "csv" ? TraceFormat::csv
                                                 : TraceFormat::perfetto;
          },
          "jsonl, csv, or perfetto (Chrome's JSON)")
      ->option_text("jsonl|csv|perfetto")
      ->required()
      ->check(one_of({"jsonl", "csv", "perfetto"}));
  written->add_option("--out", arguments.out, "The file to write (default: standard output)")
      ->option_text("FILE")
      ->check(named("file"));
  written->callback([&] { code = trace_verb(arguments); });
}

void add_diff(CLI::App& app, DiffArguments& arguments, int& code) {
  CLI::App* diff = app.add_subcommand(
      "diff", "Compare two runs: the first event that differs, metrics, latencies; 1 if they do");
  diff->add_option("A.db", arguments.a, "a run database")->required()->check(named("file"));
  diff->add_option("B.db", arguments.b, "another one")->required()->check(named("file"));
  diff->add_flag("--json", arguments.json, "Print the differences as JSON");
  diff->callback([&] { code = diff_verb(arguments); });
}

void add_regress(CLI::App& app, RegressArguments& arguments, int& code) {
  CLI::App* regress = app.add_subcommand(
      "regress", "Run recorded scenarios again, all at once; compare event by event");
  RegressOptions& options = arguments.options;
  regress->add_option("DIR", arguments.directory, "a directory of records (default: results)")
      ->check(named("directory"));
  regress->add_flag("--update", options.update,
                    "Replace the records that differ; print a summary for the commit message");
  regress->add_option("--set", options.assignments,
                      "Change the scenarios: /json/pointer=value; may be repeated");
  regress->add_option("--jobs", options.jobs, "Runs at a time (default: one for each processor)")
      ->option_text("N")
      ->check(whole_number());
  regress->add_option("--out", options.out, "Keep the new runs here (default: they are removed)")
      ->option_text("DIR")
      ->check(named("directory"));
  regress->add_flag("--json", arguments.json, "Print the result as JSON");
  regress->callback([&] { code = regress_verb(arguments); });
}

CLI::Validator number_between(double low, double high, const std::string& expected) {
  return CLI::Validator(
      [low, high, expected](std::string& text) -> std::string {
        double number = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, number) == std::from_chars_result{end, {}} &&
            number > low && number < high)
          return {};
        return fmt::format("read \"{}\"; expected {}", text, expected);
      },
      "");
}

CLI::Option* whole_number_from_1(CLI::Option* option, std::uint64_t most) {
  const std::string expected = fmt::format("a whole number from 1 to {}", most);
  return option->check(number_between(0, static_cast<double>(most) + 1, expected))
      ->check(whole_number());
}

void add_cluster(CLI::App& sweep, SweepArguments& arguments) {
  ClusterArguments& cluster = arguments.cluster;
  sweep
      .add_option_function<std::string>(
          "--engine", [&](const std::string& text) { arguments.slurm = text == "slurm"; },
          "local: processes here (default); slurm: job arrays of a cluster")
      ->option_text("local|slurm")
      ->check(one_of({"local", "slurm"}));
  sweep.add_option("--partition", cluster.partition, "slurm: where to submit (default: Slurm's)")
      ->option_text("NAME")
      ->check(named("partition"));
  whole_number_from_1(sweep.add_option("--slice", cluster.slice,
                                       "slurm: runs of a task (default: as many as take 5 to 45 s, "
                                       "by trying three runs here)"),
                      1'000'000)
      ->option_text("N");
  whole_number_from_1(sweep.add_option("--tasks", cluster.tasks,
                                       "slurm: tasks in the queue at most (default: 1000)"),
                      100'000)
      ->option_text("N");
  whole_number_from_1(sweep.add_option("--poll", cluster.poll,
                                       "slurm: seconds from one squeue to the next (default: 10)"),
                      3600)
      ->option_text("N");
  sweep
      .add_option(
          "--shared", cluster.shared,
          "slurm: directory that all nodes see, for slices and their results (default: OUT)")
      ->option_text("DIR")
      ->check(named("directory"));
  sweep
      .add_option("--sbatch", cluster.sbatch,
                  "slurm: an option for sbatch, as --sbatch=--time=30; may be repeated")
      ->option_text("OPTION")
      ->expected(1)
      ->take_all();
}

void add_sweep(CLI::App& app, SweepArguments& arguments, int& code) {
  CLI::App* sweep = app.add_subcommand(
      "sweep", "Run a scenario many times with different parameters: write OUT/sweep.db");
  sweep->add_option("SWEEP", arguments.sweep, "a sweep file, JSON")
      ->required()
      ->check(named("file"));
  whole_number_from_1(
      sweep->add_option("--jobs", arguments.jobs,
                        "Runs at a time (default: one for each processor); slurm: of each task "
                        "(default: 1)"),
      4096);
  sweep
      ->add_option("--out", arguments.out,
                   "Directory for sweep.db (default: out/NAME, by the sweep's name)")
      ->check(named("directory"));
  sweep->add_flag("--resume", arguments.resume, "Go on with a sweep that was interrupted");
  sweep->add_flag("--dry-run", arguments.dry_run,
                  "List the runs with their parameters and seeds, and run nothing");
  add_cluster(*sweep, arguments);
  add_progress(*sweep, arguments.progress);
  sweep->callback([&] { code = sweep_verb(arguments); });
}

void add_slice(CLI::App& app, SliceArguments& arguments, int& code) {
  CLI::App* slice = app.add_subcommand(
      "slice", "Do one slice of a sweep: what `sweep --engine slurm` has its tasks do");
  slice->add_option("SWEEP", arguments.sweep, "the sweep file")->required()->check(named("file"));
  slice->add_option("DIR", arguments.directory, "the sweep's directory of slices")
      ->required()
      ->check(named("directory"));
  slice->add_option("NUMBER", arguments.slice, "which slice")->required()->check(whole_number());
  whole_number_from_1(slice->add_option("--jobs", arguments.jobs, "Runs at a time (default: 1)"),
                      4096);
  slice->callback([&] { code = slice_verb(arguments); });
}

void add_results(CLI::App& app, ResultsArguments& arguments, int& code) {
  CLI::App* results = app.add_subcommand("results", "Print tables of what a sweep has found");
  results->add_option("FILE", arguments.file, "a sweep.db")->required()->check(named("file"));
  results
      ->add_option("--group-by", arguments.group_by,
                   "Put together all runs that have the same value of this parameter; may be "
                   "repeated (default: all parameters)")
      ->expected(1)
      ->take_all();
  results
      ->add_option("--metric", arguments.metrics,
                   "Only figures that match, such as host0.acc[*].dma.p99, or that begin so; "
                   "may be repeated")
      ->expected(1)
      ->take_all();
  results
      ->add_option("--confidence", arguments.confidence,
                   "Of the intervals, between 0 and 1 (default: 0.95)")
      ->check(number_between(0, 1, "a number between 0 and 1"));
  results->add_flag("--latencies", arguments.latencies,
                    "Only latencies, with percentiles of all runs of a group together");
  results->add_flag("--csv", arguments.csv, "Print comma-separated values");
  results->callback([&] { code = results_verb(arguments); });
}

void add_report(CLI::App& app, ReportArguments& arguments, int& code) {
  CLI::App* report = app.add_subcommand(
      "report", "Write one HTML page, for any browser, of what a run or a sweep has found");
  report->add_option("FILE", arguments.database, "a run.db or a sweep.db")
      ->required()
      ->check(named("file"));
  report->add_option("--out", arguments.out, "The page to write (default: beside FILE, as .html)")
      ->option_text("FILE")
      ->check(named("file"));
  report->callback([&] { code = report_verb(arguments); });
}

void add_schema(CLI::App& app, SchemaOf& of, int& code) {
  CLI::App* schema = app.add_subcommand(
      "schema", "Print the JSON Schema of scenario files, or of sweep files, for editors");
  schema
      ->add_option_function<std::string>(
          "KIND",
          [&of](const std::string& text) {
            of = text == "sweep" ? SchemaOf::sweep : SchemaOf::scenario;
          },
          "scenario (default) or sweep")
      ->check(one_of({"scenario", "sweep"}));
  schema->callback([&] { code = schema_verb(of); });
}

int run_command_line(int argc, char** argv) {
  CLI::App app{"viosim simulates hosts, IOMMUs and devices, event by event, to the picosecond."};
  app.set_version_flag("--version", "viosim " + std::string(program_version));
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 fine, 1 the run found what was not expected, 2 the input is wrong, 3 a fault "
      "of the program.");
  int code = fine;

  RunArguments run;
  add_run(app, run, code);
  ReplayArguments replay;
  add_replay(app, replay, code);

  std::filesystem::path database;
  bool check_json = false;
  CLI::App* check = app.add_subcommand(
      "check", "Hold the trace of a run against the invariants, as the run itself was");
  check->add_option("RUN.db", database, "a run database with a full trace")
      ->required()
      ->check(named("file"));
  check->add_flag("--json", check_json, "Print the violations as JSON");
  check->callback([&] { code = check_verb(database, check_json); });

  TraceArguments trace;
  add_trace(app, trace, code);

  DiffArguments diff;
  add_diff(app, diff, code);
  RegressArguments regress;
  add_regress(app, regress, code);

  std::vector<std::filesystem::path> files;
  CLI::App* validate = app.add_subcommand(
      "validate",
      "Check scenario files and the recordings they name, and sweep files with the scenarios that "
      "they make; report every error");
  validate->add_option("FILE", files, "scenario and sweep files, JSON")
      ->required()
      ->check(named("file"));
  validate->callback([&] { code = validate_verb(files); });

  SchemaOf schema_of = SchemaOf::scenario;
  add_schema(app, schema_of, code);
  SweepArguments sweep;
  add_sweep(app, sweep, code);
  SliceArguments slice;
  add_slice(app, slice, code);
  ResultsArguments results;
  add_results(app, results, code);
  ReportArguments report;
  add_report(app, report, code);

  bool models_json = false;
  CLI::App* models = app.add_subcommand(
      "models", "List every model with its parameters, units, defaults and sources");
  models->add_flag("--json", models_json, "Print them as JSON");
  models->callback([&] { code = models_verb(models_json); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    complain(fmt::format("viosim: {}\nviosim --help, or viosim VERB --help, lists what there is.",
                         parse_problem(app, error, argc, argv)));
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
