// Reads what a scenario names, builds the system, runs it, and writes its database.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/run.hpp"

#include "sim/json/json.hpp"
#include "sim/json/pointer.hpp"
#include "sim/record/run_database.hpp"
#include "sim/recording/recording.hpp"
#include "sim/version.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <system_error>

namespace viosim {
namespace {

// The run database, or its absence.
class Output {
 public:
  Output(const Scenario& scenario, const RunOptions& options) {
    if (!options.out) {
      tracer_ = std::make_unique<Tracer>();
      return;
    }
    std::error_code error;
    std::filesystem::create_directories(*options.out, error);
    if (error)
      throw ConfigError({options.out->string(), "",
                         fmt::format("cannot make this directory: {}", error.message())});
    path_ = *options.out / "run.db";
    Manifest manifest;
    manifest.program_version = program_version;
    manifest.scenario = to_text(write(scenario), Layout::indented);
    manifest.seed = scenario.seed;
    database_.emplace(RunDatabase::create(path_, manifest));
    tracer_ = options.trace == TraceMode::full ? std::make_unique<Tracer>(database_->trace())
                                               : std::make_unique<Tracer>();
  }

  Tracer& tracer() { return *tracer_; }
  std::uint32_t add_component(std::string_view path) {
    components_.emplace_back(path);
    return database_ ? database_->add_component(path)
                     : static_cast<std::uint32_t>(components_.size() - 1);
  }
  const std::vector<std::string>& components() const { return components_; }
  std::string path() const { return path_.string(); }

  void finish(const Results& results, const RunFacts& facts) {
    if (!database_) return;
    for (const MetricValue& metric : results.metrics) {
      database_->add_metric(metric.component, metric.name, metric.unit,
                            static_cast<std::int64_t>(metric.value));
    }
    for (const LatencyValue& latency : results.latencies)
      database_->add_histogram(latency.component, latency.operation, *latency.histogram);
    database_->add_wall("simulation_seconds", fmt::format("{:.6f}", facts.wall_seconds));
    database_->finish();
  }

 private:
  std::filesystem::path path_;
  std::vector<std::string> components_;
  std::optional<RunDatabase> database_;
  std::unique_ptr<Tracer> tracer_;
};

}  // namespace

RecordedStream read_recording(const std::filesystem::path& file, Progress* progress) {
  RecordingOptions options;
  if (progress != nullptr) {
    options.on_record = [progress, what = "reading " + file.string()](std::uint64_t records,
                                                                      std::uint64_t all) {
      progress->tell(what, static_cast<double>(records) / static_cast<double>(all));
    };
  }
  return read_recording(file.string(), options);
}

Recordings read_recordings(const Scenario& scenario, const std::filesystem::path& base,
                           Progress* progress) {
  Recordings recordings;
  std::vector<Problem> problems;
  for (std::size_t h = 0; h < scenario.hosts.size(); ++h) {
    for (std::size_t d = 0; d < scenario.hosts[h].devices.size(); ++d) {
      const auto* recorded = std::get_if<RecordedDevice>(&scenario.hosts[h].devices[d]);
      if (recorded == nullptr || recordings.contains(recorded->trace)) continue;
      try {
        recordings.emplace(recorded->trace, read_recording(base / recorded->trace, progress));
      } catch (const ConfigError& error) {
        for (Problem problem : error.problems()) {
          problem.message += fmt::format("; named by /hosts/{}/devices/{}/trace of scenario \"{}\"",
                                         h, d, scenario.name);
          problems.push_back(std::move(problem));
        }
      }
    }
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return recordings;
}

Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& assignments,
                       std::optional<std::uint64_t> seed) {
  Value document = read_json_file(file);
  for (const std::string& assignment : assignments) set_assignment(document, assignment);
  Scenario scenario = read_scenario(document, file.string());
  if (seed) scenario.seed = *seed;
  return scenario;
}

RunReport run_scenario(const Scenario& scenario, const std::filesystem::path& base,
                       const RunOptions& options) {
  return run_scenario(scenario, read_recordings(scenario, base, options.progress), options);
}

RunReport run_scenario(const Scenario& scenario, const Recordings& recordings,
                       const RunOptions& options) {
  Output output(scenario, options);
  System system(scenario, recordings, output.tracer(), [&](std::string_view path) {
    if (options.progress != nullptr) options.progress->tell(fmt::format("building {}", path));
    return output.add_component(path);
  });
  if (options.progress != nullptr) {
    options.progress->watch([&](Instant reached) { return run_state(reached, scenario, system); });
    system.engine().set_onlooker(*options.progress);
  }

  const auto begin = std::chrono::steady_clock::now();
  system.run();
  output.tracer().finish();
  RunReport report;
  report.facts.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.facts.name = scenario.name;
  report.facts.seed = scenario.seed;
  report.facts.simulated = system.end().since_start();
  report.facts.events = system.engine().agenda().executed();
  report.facts.software_steps = system.engine().software_steps();
  report.facts.database = output.path();
  report.facts.trace_events = output.tracer().handed_over();

  if (options.progress != nullptr) options.progress->finally("writing " + output.path());
  const Results results = collect(system);
  output.finish(results, report.facts);
  report.components = output.components();
  report.text = summary_text(report.facts, results, report.components);
  report.json = summary_json(report.facts, results, report.components);
  for (const TracePlayer& player : system.players())
    report.agreements.push_back(player.agreement());
  return report;
}

}  // namespace viosim
