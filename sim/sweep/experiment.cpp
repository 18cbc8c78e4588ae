// From the number of a run to its scenario.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/experiment.hpp"

#include "core/base/error.hpp"
#include "core/base/rng.hpp"
#include "sim/json/json.hpp"
#include "sim/record/digest.hpp"
#include "sim/sweep/command.hpp"
#include "sim/sweep/shell_word.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace viosim {
namespace {

// What a problem is about may stand in no file: an axis has put it there.
std::vector<Problem> naming_axes(std::vector<Problem> problems, const Sweep& sweep,
                                 const std::vector<Level>& levels, const std::string& file) {
  const auto has_set = [](const Settings& settings, const Problem& problem) {
    return std::any_of(settings.all.begin(), settings.all.end(), [&](const Setting& setting) {
      return problem.pointer == setting.pointer.text ||
             problem.pointer.starts_with(setting.pointer.text + '/');
    });
  };
  for (Problem& problem : problems) {
    std::string by;
    if (sweep.set && has_set(*sweep.set, problem)) by = "/set";
    for (std::size_t a = 0; a < levels.size(); ++a) {
      if (has_set(levels[a].set, problem)) by = fmt::format("axis \"{}\"", name_of(sweep.axes[a]));
    }
    if (!by.empty()) problem.message += fmt::format(" (set by {} of {})", by, file);
  }
  return problems;
}

// Without what leads down and up again, unless that goes by a link.
std::filesystem::path short_path(const std::filesystem::path& path) {
  std::error_code other;
  const std::filesystem::path normal = path.lexically_normal();
  return std::filesystem::equivalent(path, normal, other) ? normal : path;
}

void add_problems(std::vector<Problem>& problems, const ConfigError& error) {
  for (const Problem& problem : error.problems()) {
    if (std::find(problems.begin(), problems.end(), problem) == problems.end())
      problems.push_back(problem);
  }
}

}  // namespace

Experiment::Experiment(const std::filesystem::path& file)
    : file_(file.string()),
      sweep_(load_sweep(file)),
      design_(sweep_, file_),
      base_(short_path(file.parent_path() / sweep_.scenario).string()) {
  try {
    document_ = read_scenario_file(base_);
  } catch (const ConfigError& error) {
    std::vector<Problem> problems = error.problems();
    for (Problem& problem : problems)
      problem.message += fmt::format("; named by /scenario of {}", file_);
    throw ConfigError(std::move(problems));
  }
}

SweepRun Experiment::run(std::uint64_t number) const {
  const std::uint32_t replicates = sweep_.replicates_at_most();
  SweepRun run{number, number / replicates, static_cast<std::uint32_t>(number % replicates), 0};
  const std::string stream = sweep_.seeds == SeedKind::common
                                 ? fmt::format("replicate/{}", run.replicate)
                                 : fmt::format("run/{}", number);
  // 63 bits: SQLite's integers have a sign.
  run.seed = Rng(sweep_.seed, stream).next() >> 1U;
  return run;
}

// What is wrong with it is wrong at a place of the sweep.
void Experiment::apply_at(const Settings& settings, Value& document,
                          const std::string& place) const {
  try {
    apply(settings, document);
  } catch (const ConfigError& error) {
    std::vector<Problem> problems = error.problems();
    for (Problem& problem : problems) {
      problem.message = fmt::format("{} of {}: {}", problem.pointer, base_, problem.message);
      problem.file = file_;
      problem.pointer = place;
    }
    throw ConfigError(std::move(problems));
  }
}

Scenario Experiment::scenario_with(const std::vector<Level>& levels) const {
  Value document = document_;
  if (sweep_.set) apply_at(*sweep_.set, document, "/set");
  for (std::size_t a = 0; a < levels.size(); ++a)
    apply_at(levels[a].set, document, fmt::format("/axes/{}", a));
  return scenario_from(std::move(document), base_, parts_, [&](auto problems) {
    return naming_axes(std::move(problems), sweep_, levels, file_);
  });
}

Scenario Experiment::scenario(const SweepRun& run) const {
  Scenario scenario = scenario_with(design_.point(run.point));
  scenario.seed = run.seed;
  return scenario;
}

Recordings Experiment::recordings(const Scenario& scenario) const {
  const bool known =
      std::all_of(scenario.hosts.begin(), scenario.hosts.end(), [&](const HostConfig& host) {
        return std::all_of(host.devices.begin(), host.devices.end(), [&](const auto& device) {
          const auto* recorded = std::get_if<RecordedDevice>(&device);
          return recorded == nullptr || recordings_.contains(recorded->trace);
        });
      });
  if (known) return recordings_;
  return read_recordings(scenario, {std::filesystem::path(base_).parent_path(), base_});
}

std::string Experiment::replay(const SweepRun& run) const {
  std::string command =
      fmt::format("{} run {} --trace off --seed {}", shell_word(this_program()),
                  shell_word(std::filesystem::absolute(base_).string()), run.seed);
  if (!sweep_.checks) command += " --checks off";
  const auto add = [&](const Settings& settings) {
    for (const Setting& setting : settings.all)
      command += " --set " + shell_word(setting.pointer.text + '=' + to_text(setting.value));
  };
  if (sweep_.set) add(*sweep_.set);
  for (const Level& level : design_.point(run.point)) add(level.set);
  return command;
}

std::string Experiment::replay_within_limits(const SweepRun& run, FailureKind why) const {
  std::string command = replay(run);
  const LimitsConfig& limits = sweep_.limits;
  if (why == FailureKind::wall) {
    const double seconds = std::chrono::duration<double>(limits.wall.value()).count();
    command = fmt::format("timeout {} {}", seconds, command);
  }
  const bool memory = why == FailureKind::memory || why == FailureKind::crash;
  if (!memory || !limits.memory) return command;
  return fmt::format("(ulimit -v {}; {})", limits.memory->count() >> 10U, command);
}

// How many for_each_value() visits.
std::uint64_t Experiment::value_count() const {
  if (sweep_.design == DesignKind::zipped) return design_.points();
  std::uint64_t count = 1;
  for (std::size_t a = 0; a < sweep_.axes.size(); ++a) count += design_.level_count(a).value_or(0);
  return count;
}

// Points where one axis is not what it is at the first point. Zipped lists belong together.
void Experiment::for_each_value(const std::function<void(const std::vector<Level>&)>& visit) const {
  const std::vector<Level> first = design_.point(0);
  visit(first);
  if (sweep_.design == DesignKind::zipped) {
    for (std::uint64_t p = 1; p < design_.points(); ++p) visit(design_.point(p));
    return;
  }
  for (std::size_t a = 0; a < first.size(); ++a) {
    std::vector<Level> levels = first;
    const std::uint64_t count = design_.level_count(a).value_or(0);
    for (std::uint64_t l = 0; l < count; ++l) {
      levels[a] = design_.level(a, l);
      visit(levels);
    }
  }
}

void Experiment::check_each_value(const std::function<void(const CheckShare&)>& tell) {
  std::vector<Problem> problems;
  RowDigest digest;
  CheckShare share{0, value_count()};
  for_each_value([&](const std::vector<Level>& levels) {
    if (tell) tell(share);
    ++share.done;
    try {
      const Scenario scenario = scenario_with(levels);
      digest.add(to_text(write(scenario), Layout::one_line));
      recordings_.merge(recordings(scenario));
    } catch (const ConfigError& error) {
      add_problems(problems, error);
    }
  });
  if (!problems.empty()) throw ConfigError(std::move(problems));
  digest_of_values_ = digest.value();
}

std::int64_t Experiment::digest_of_values() const {
  ensure(digest_of_values_.has_value(), "a sweep is begun or resumed before its values are read");
  return *digest_of_values_;
}

void Experiment::check_each_point() const {
  std::vector<Problem> problems;
  for (std::uint64_t p = 0; p < design_.points(); ++p) {
    try {
      scenario_with(design_.point(p));
    } catch (const ConfigError& error) {
      add_problems(problems, error);
    }
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

}  // namespace viosim
