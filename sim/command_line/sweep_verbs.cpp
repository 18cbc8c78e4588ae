// The options of what has to do with sweeps: sweep, slice, results, report.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/add_verbs.hpp"
#include "sim/command_line/checks.hpp"

#include <string>

namespace viosim {
namespace {

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
  sweep
      .add_option("--slice", cluster.slice,
                  "slurm: runs of a task (default: as many as take 5 to 45 s, "
                  "by trying three runs here)")
      ->check(whole_number(1, 1'000'000))
      ->option_text("N");
  sweep.add_option("--tasks", cluster.tasks, "slurm: tasks in the queue at most (default: 1000)")
      ->check(whole_number(1, 100'000))
      ->option_text("N");
  sweep
      .add_option("--poll", cluster.poll,
                  "slurm: seconds from one squeue to the next (default: 10)")
      ->check(whole_number(1, 3600))
      ->option_text("N");
  sweep
      .add_option("--shared", cluster.shared,
                  "slurm: directory, already there, that all nodes see, for slices and their "
                  "results (default: "
                  "OUT)")
      ->option_text("DIR")
      ->check(named("directory"));
  repeatable(
      sweep.add_option("--sbatch", cluster.sbatch,
                       "slurm: an option for sbatch, as --sbatch=--time=30; may be repeated"))
      ->option_text("OPTION");
}

}  // namespace

void add_sweep(CLI::App& app, SweepArguments& arguments, int& code) {
  CLI::App* sweep = app.add_subcommand(
      "sweep", "Run a scenario many times with different parameters: write OUT/sweep.db");
  sweep->add_option("SWEEP", arguments.sweep, "a sweep file, JSON")
      ->required()
      ->check(named("file"));
  sweep
      ->add_option("--jobs", arguments.jobs,
                   "Runs at a time (default: one for each processor); slurm: of each task "
                   "(default: 1)")
      ->check(whole_number(1, 4096));
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
  slice->add_option("--jobs", arguments.jobs, "Runs at a time (default: 1)")
      ->check(whole_number(1, 4096));
  slice->callback([&] { code = slice_verb(arguments); });
}

void add_results(CLI::App& app, ResultsArguments& arguments, int& code) {
  CLI::App* results = app.add_subcommand("results", "Print tables of what a sweep has found");
  results->add_option("FILE", arguments.file, "a sweep.db")->required()->check(named("file"));
  repeatable(results->add_option(
                 "--group-by", arguments.group_by,
                 "Put together all runs that have the same value of this parameter; may be "
                 "repeated, or be a list: a,b (default: all parameters)"))
      ->delimiter(',');
  results->add_flag("--together", arguments.together, "Put all runs together");
  repeatable(results->add_option(
      "--metric", arguments.metrics,
      "Only figures that match, such as host0.acc[*].dma.p99, or that begin so; "
      "may be repeated"));
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

}  // namespace viosim
