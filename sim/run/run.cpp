// Reads what a scenario names, builds the system, runs it, and writes its database.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/run.hpp"

#include "sim/check/checker.hpp"
#include "sim/json/json.hpp"
#include "sim/record/run_database.hpp"
#include "sim/recording/json_scanner.hpp"
#include "sim/run/conclusions.hpp"
#include "sim/run/guest_ends.hpp"
#include "sim/run/plan.hpp"
#include "sim/run/software_migrations.hpp"
#include "sim/run/violations.hpp"
#include "sim/version.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <optional>
#include <system_error>
#include <unistd.h>

namespace viosim {
namespace {

// Of the machine that the run was made on.
std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "unknown";
}

// The run database, or its absence.
class Output {
 public:
  Output(const Scenario& scenario, const RunOptions& options, const ComponentIndex& components,
         Tracer& tracer) {
    if (!options.out) return;
    // It is printed in JSON, and by messages.
    if (!recording::is_utf8(options.out->string()))
      throw ConfigError({"", "", "--out: the name of this directory is not UTF-8; expected UTF-8"});
    std::error_code error;
    if (std::filesystem::is_symlink(*options.out, error) &&
        !std::filesystem::exists(*options.out, error))
      throw ConfigError({options.out->string(), "",
                         "is a link to what is not there; expected a directory for run.db"});
    if (std::filesystem::exists(*options.out, error) &&
        !std::filesystem::is_directory(*options.out, error))
      throw ConfigError({options.out->string(), "", "is a file; expected a directory for run.db"});
    std::filesystem::create_directories(*options.out, error);
    if (error)
      throw ConfigError({options.out->string(), "",
                         fmt::format("cannot make this directory: {}", error.message())});
    path_ = *options.out / "run.db";
    Manifest manifest;
    manifest.program_version = program_version;
    manifest.more["commit"] = program_commit();
    manifest.more["checks"] = options.checks ? "on" : "off";
    manifest.more["trace"] = options.trace == TraceMode::full ? "full" : "off";
    manifest.scenario = to_text(write(scenario), Layout::indented);
    manifest.seed = scenario.seed;
    database_.emplace(RunDatabase::create(path_, manifest));
    for (const std::string& path : components.paths()) database_->add_component(path);
    if (options.trace == TraceMode::full) tracer.start(database_->trace());
  }

  std::string path() const { return path_.string(); }

  void finish(const Results& results, const RunReport& report, const ViolationCounts& counts) {
    if (!database_) return;
    for (const MetricValue& metric : results.metrics) {
      database_->add_metric(metric.component, metric.name, metric.unit,
                            static_cast<std::int64_t>(metric.value));
    }
    for (const LatencyValue& latency : results.latencies)
      database_->add_histogram(latency.component, latency.operation, *latency.histogram);
    database_->add_wall("host", host_name());
    for (const Verdict& verdict : report.verdicts)
      database_->add_expectation({verdict.expected, verdict.found, verdict.met});
    const EventWords words(report.components);
    ViolationCounts without_row = counts;
    for (const check::Violation& violation : report.violations) {
      database_->add_violation(row_of(violation, words));
      --without_row[check::name_of(violation.invariant)];
    }
    for (const auto& [invariant, times] : without_row) {
      if (times != 0) database_->count_violations(invariant, times);
    }
    database_->add_wall("simulation_seconds", fmt::format("{:.6f}", report.facts.wall_seconds));
    database_->finish();
  }

 private:
  std::filesystem::path path_;
  std::optional<RunDatabase> database_;
};

// What the duration leaves nothing of.
std::vector<std::string> notes(const Scenario& scenario, const Recordings& recordings) {
  std::vector<std::string> all;
  if (!scenario.duration) return all;
  const auto note = [&](const HostConfig& host, const std::string& name, std::string_view what,
                        Ps first) {
    if (first < *scenario.duration) return;
    all.push_back(fmt::format(
        "{}.{} did nothing: its first {} would come at {}, and the scenario's duration is {}",
        host.name, name, what, format_time(first, 12), format_time(*scenario.duration, 12)));
  };
  for (const HostConfig& host : scenario.hosts) {
    for (const DeviceConfig& device : host.devices) {
      if (const auto* dma = std::get_if<DmaDevice>(&device)) {
        note(host, dma->name, "request", dma->start);
        continue;
      }
      const auto* recorded = std::get_if<RecordedDevice>(&device);
      if (recorded == nullptr) continue;
      const RecordedStream& stream = recordings.at(recorded->trace);
      if (!stream.ops.empty())
        note(host, recorded->name, "record",
             Ps(stream.ops.front().time_ps / recorded->player.speed));
    }
    for (const ProcessesConfig& processes : host.processes)
      note(host, processes.name, "process", processes.start);
    for (const GuestConfig& guest : host.guests) {
      if (guest.boots) note(host, guest.name, "boot", guest.start);
    }
  }
  return all;
}

void run_within_limit(Plan& plan, const std::string& file) {
  try {
    plan.run();
  } catch (const TimeLimitError& error) {
    throw ConfigError({file, "",
                       fmt::format("{}; expected a run that ends before: an earlier \"start\", "
                                   "shorter times, fewer requests or a \"duration\"",
                                   error.what())});
  }
}

}  // namespace

RunReport run_scenario(const Scenario& scenario, const std::filesystem::path& base,
                       const RunOptions& options) {
  return run_scenario(scenario, read_recordings(scenario, {base, options.file}, options.progress),
                      options);
}

RunReport run_scenario(const Scenario& scenario, const Recordings& recordings,
                       const RunOptions& options) {
  ComponentIndex components;
  Tracer tracer;
  System system(scenario, recordings, tracer, [&](std::string_view path) {
    if (options.progress != nullptr) options.progress->tell(fmt::format("building {}", path));
    return components.add(path);
  });
  Plan plan(scenario, system, components, tracer);
  Output output(scenario, options, components, tracer);
  if (options.progress != nullptr) {
    options.progress->watch([&](Instant reached) { return run_state(reached, scenario, system); });
    system.engine().set_onlooker(*options.progress);
  }

  check::Checker checker(components.paths(), scenario.checks);
  checker.expect_fields();
  if (options.checks) tracer.start(checker);
  const auto begin = std::chrono::steady_clock::now();
  run_within_limit(plan, options.file);
  tracer.finish();
  if (options.checks) checker.finish();
  RunReport report;
  report.facts.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.facts.name = scenario.name;
  report.facts.seed = scenario.seed;
  report.facts.simulated = system.end().since_start();
  report.facts.events = system.engine().agenda().executed();
  report.facts.software_steps = system.engine().software_steps();
  report.facts.database = output.path();
  report.facts.traced = options.trace == TraceMode::full;
  report.facts.notes = notes(scenario, recordings);
  for (std::string& note : migration_notes(system)) report.facts.notes.push_back(std::move(note));
  for (std::string& note : panic_notes(system)) report.facts.notes.push_back(std::move(note));
  report.facts.trace_events = tracer.handed_over();

  if (options.progress != nullptr) options.progress->finally("writing " + output.path());
  const Results results = collect(system);
  report.violations = checker.violations();
  report.verdicts = plan.verdicts(checker.counts());
  report.components = components.paths();
  output.finish(results, report, checker.counts());
  report.text = summary_text(report.facts, results, report.components) +
                injections_text(plan.injections()) +
                violations_text(report.violations, checker.counts(), report.components) +
                conclusions_text(plan.events(), report.verdicts);
  if (options.json) {
    report.json = summary_json(report.facts, results, report.components);
    add_injections(*report.json.if_object(), plan.injections());
    add_violations(*report.json.if_object(), report.violations, checker.counts(),
                   report.components);
    add_conclusions(*report.json.if_object(), plan.events(), report.verdicts);
  }
  for (const TracePlayer& player : system.players())
    report.agreements.push_back(player.agreement());
  return report;
}

}  // namespace viosim
