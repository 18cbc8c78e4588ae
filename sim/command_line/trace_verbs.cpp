// The options of what looks at runs: trace, diff, regress.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/add_verbs.hpp"
#include "sim/command_line/checks.hpp"

#include <cstdint>
#include <limits>
#include <string>

namespace viosim {
namespace {

// Of an event: all that a kernel's space can give, also where an injection makes it give too much.
constexpr std::uint64_t most_pasid = std::numeric_limits<std::uint32_t>::max();

void add_filter(CLI::App& verb, TraceArguments& arguments) {
  verb.add_option("RUN.db", arguments.database, "a run database")->required()->check(named("file"));
  TraceFilter& filter = arguments.filter;
  repeatable(
      verb.add_option("--component", filter.components,
                      "Of this component and all below it: a path such as host0.acc[0-3]; may be "
                      "repeated"))
      ->option_text("PATH");
  repeatable(
      verb.add_option("--guest", filter.guests,
                      "Of this guest: a path such as host0.vm[1], or vm[1]; may be repeated"))
      ->option_text("PATH");
  repeatable(
      verb.add_option("--kind", filter.kinds, "Of this kind, such as translate; may be repeated"))
      ->option_text("KIND");
  repeatable(verb.add_option("--pasid", filter.pasids, "With this PASID; may be repeated"))
      ->option_text("N")
      ->check(whole_number(0, most_pasid));
  verb.add_option("--from", arguments.from, "That ended at this time or later: \"1.5 us\"")
      ->option_text("TIME");
  verb.add_option("--until", arguments.until, "That ended at this time or earlier")
      ->option_text("TIME");
  verb.add_option("--limit", filter.limit, "The first N of them")
      ->option_text("N")
      ->check(whole_number());
}

}  // namespace

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
  repeatable(regress->add_option("--set", options.assignments,
                                 "Change the scenarios: /json/pointer=value; may be repeated"))
      ->option_text("TEXT")
      ->excludes("--update");
  regress->add_option("--jobs", options.jobs, "Runs at a time (default: one for each processor)")
      ->option_text("N")
      ->check(whole_number(1, 4096));
  regress->add_option("--out", options.out, "Keep the new runs here (default: they are removed)")
      ->option_text("DIR")
      ->check(named("directory"));
  regress->add_flag("--json", arguments.json, "Print the result as JSON");
  regress->callback([&] { code = regress_verb(arguments); });
}

}  // namespace viosim
