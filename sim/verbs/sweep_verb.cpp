// `viosim sweep`: many runs of one scenario, and one file with what came of them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/numbers.hpp"
#include "sim/sweep/dry_run.hpp"
#include "sim/sweep/local_engine.hpp"
#include "sim/sweep/sbatch_options.hpp"
#include "sim/sweep/slurm_engine.hpp"
#include "sim/sweep/sweep_database.hpp"
#include "sim/sweep/sweep_progress.hpp"
#include "sim/sweep/sweep_tables.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <sched.h>
#include <sys/resource.h>
#include <vector>

namespace viosim {
namespace {

unsigned processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

void make_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    throw ConfigError(
        {path.string(), "", fmt::format("cannot make this directory: {}", error.message())});
}

// Options that mean nothing without --engine slurm, where they were given.
void refuse_cluster_options(const SweepArguments& arguments) {
  const ClusterArguments& cluster = arguments.cluster;
  std::vector<Problem> problems;
  const auto refuse = [&](const char* option, bool given) {
    if (given)
      problems.push_back({"", "", fmt::format("{} is an option of --engine slurm only", option)});
  };
  refuse("--partition", cluster.partition.has_value());
  refuse("--slice", cluster.slice.has_value());
  refuse("--tasks", cluster.tasks.has_value());
  refuse("--poll", cluster.poll.has_value());
  refuse("--shared", cluster.shared.has_value());
  refuse("--sbatch", !cluster.sbatch.empty());
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

// A name that is misspelt shall not become a directory that no node sees.
void check_shared(const ClusterArguments& cluster) {
  if (!cluster.shared || std::filesystem::is_directory(*cluster.shared)) return;
  throw ConfigError({cluster.shared->string(), "",
                     "there is no such directory; expected one that all nodes see"});
}

// What the same sweep has begun on a cluster is that engine's to go on with.
void refuse_slices(const std::filesystem::path& directory) {
  if (!Slices(directory).any()) return;
  throw ConfigError({directory.string(), "",
                     "holds slices of a sweep on a cluster; expected --engine slurm --resume to go "
                     "on with it, or its removal"});
}

SlurmSettings settings_of(const SweepArguments& arguments) {
  const ClusterArguments& cluster = arguments.cluster;
  SlurmSettings settings;
  settings.partition = cluster.partition;
  settings.sbatch = cluster.sbatch;
  settings.slice = cluster.slice;
  if (arguments.jobs) settings.jobs = static_cast<unsigned>(*arguments.jobs);
  if (cluster.tasks) settings.tasks = *cluster.tasks;
  if (cluster.poll) settings.poll = std::chrono::seconds(*cluster.poll);
  return settings;
}

// Each worker is heard through a descriptor of its own.
void check_descriptors(unsigned jobs) {
  constexpr rlim_t others = 32;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= jobs + others) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, jobs + others);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= jobs + others) return;
  if (limit.rlim_cur <= others) {
    throw ConfigError(
        {"", "",
         fmt::format("this process may have {} open files; expected at least {} (ulimit -n)",
                     limit.rlim_cur, others + 1)});
  }
  throw ConfigError(
      {"", "",
       fmt::format(
           "--jobs: read {}; expected at most {}: this process may have {} open files (ulimit -n)",
           jobs, limit.rlim_cur - others, limit.rlim_cur)});
}

// Returns the signal that has ended it; 0: none. `slices` is open when a cluster shall do the work.
int run_all(const Experiment& experiment, const SweepArguments& arguments, Schedule& schedule,
            Journal& journal, Slices& slices) {
  const Interrupt interrupt;
  SweepProgress progress(arguments.progress);
  const EngineListener listener{[&](const std::vector<FinishedRun>& runs) { journal.store(runs); },
                                [&](const std::string& more) { progress.tell(schedule, more); },
                                [&](const std::string& text) { progress.say(text); }};
  if (arguments.slurm) {
    SlurmEngine(experiment, schedule, slices, interrupt, settings_of(arguments)).run(listener);
  } else {
    const unsigned jobs = arguments.jobs ? static_cast<unsigned>(*arguments.jobs) : processors();
    check_descriptors(jobs);
    LocalEngine(experiment, schedule, jobs).run(interrupt, listener);
  }
  return interrupt.signal();
}

// How many of these are in the result: of a stop rule not all are that were run.
std::uint64_t counting(const std::vector<std::uint64_t>& runs, const Experiment& experiment,
                       const Schedule& schedule) {
  return static_cast<std::uint64_t>(
      std::count_if(runs.begin(), runs.end(), [&](std::uint64_t number) {
        const SweepRun run = experiment.run(number);
        return run.replicate < *schedule.replicates(run.point);
      }));
}

int exit_code(const SweepTotals& totals) {
  return totals.failed + totals.not_as_expected == 0 ? 0 : 1;
}

// How it came out, again, for who asks only whether it did.
int tell_complete(const SweepTables& tables, const std::filesystem::path& result) {
  SweepTotals totals;
  for (const PointRow& point : tables.points()) {
    totals.runs += point.runs;
    totals.failed += point.failed;
    totals.not_as_expected += point.unexpected;
  }
  fmt::print("{} is complete; nothing is left to do: {}, {} failed, {} not as expected\n",
             result.string(), counted(totals.runs, "run"), grouped(totals.failed),
             grouped(totals.not_as_expected));
  return exit_code(totals);
}

// Of a long axis that takes a while.
void check_values(Experiment& experiment, ProgressMode mode) {
  SweepProgress progress(mode);
  experiment.check_each_value([&](const CheckShare& share) { progress.tell(share); });
}

}  // namespace

int sweep_verb(const SweepArguments& arguments) {
  if (!arguments.slurm) refuse_cluster_options(arguments);
  check_sbatch_options(arguments.cluster.sbatch);
  if (arguments.slurm) check_sbatch_environment();
  Experiment experiment(arguments.sweep);
  check_values(experiment, arguments.progress);
  check_limits(experiment);
  check_selection(experiment);
  if (arguments.dry_run) return print_runs(experiment, stdout) == 0 ? 0 : 1;
  if (arguments.slurm) {
    Slurm::check_commands();
    check_shared(arguments.cluster);
  }
  const std::filesystem::path out =
      arguments.out.value_or(std::filesystem::path("out") / experiment.sweep().name);
  const std::filesystem::path result = out / "sweep.db";
  const std::filesystem::path unfinished = out / "sweep.runs";
  if (std::filesystem::exists(result)) check_replaceable(result, experiment.sweep().name);
  make_directory(out);
  Slices slices(arguments.cluster.shared.value_or(out) / Slices::directory_name);
  if (!arguments.slurm) refuse_slices(slices.directory());

  const SweepIdentity identity = identity_of(experiment);
  if (arguments.resume && std::filesystem::exists(result) && !std::filesystem::exists(unfinished)) {
    SweepTables tables(result);
    SweepIdentity begun;
    for (const auto& [key, value] : identity) begun[key] = tables.manifest(key);
    check_same_sweep(result, begun, identity);
    if (arguments.slurm && slices.any()) {  // it was killed before it removed them
      slices.open(identity, true);
      slices.remove();
    }
    return tell_complete(tables, result);
  }
  const bool on_cluster = arguments.slurm && std::filesystem::exists(slices.directory());
  Journal journal(unfinished, identity, {experiment.most_runs(), arguments.resume});
  if (arguments.slurm) slices.open(identity, arguments.resume);
  Schedule schedule(experiment.sweep(), experiment.design().points());
  std::vector<std::uint64_t> before;
  journal.for_each([&](const FinishedRun& finished) {
    schedule.finish(finished.run, finished.outcome);
    before.push_back(finished.run);
  });
  if (arguments.resume && before.empty() && !on_cluster)
    fmt::print(stderr, "viosim: nothing to go on with in {}; beginning\n", out.string());
  const auto begin = Worker::Clock::now();
  if (const int signal = run_all(experiment, arguments, schedule, journal, slices); signal != 0) {
    fmt::print(stderr, "viosim: interrupted; {} kept, --resume goes on\n",
               counted(schedule.finished(), "finished run"));
    std::raise(signal);
    return 1;
  }
  const double seconds = std::chrono::duration<double>(Worker::Clock::now() - begin).count();
  const SweepTotals totals = write_sweep_database(result, experiment, identity, schedule, journal);
  journal.remove();
  if (arguments.slurm) slices.remove();
  fmt::print("{}\n{} in {:.1f} s{}, {} failed, {} not as expected\nwrote {}\n",
             size_text(experiment), counted(totals.runs, "run"), seconds,
             before.empty()
                 ? ""
                 : fmt::format(" ({} before)", grouped(counting(before, experiment, schedule))),
             grouped(totals.failed), grouped(totals.not_as_expected), result.string());
  if (schedule.unsettled() != 0) fmt::print("{}\n", unsettled_text(schedule.unsettled()));
  return exit_code(totals);
}

}  // namespace viosim
