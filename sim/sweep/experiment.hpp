// Everything that the runs of a sweep share: read once, before workers are forked.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/run.hpp"
#include "sim/scenario/parts.hpp"
#include "sim/sweep/design.hpp"
#include "sim/sweep/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// One run of a sweep. `number` is point x (most replicates) + replicate, so it does not depend on how
// many replicates other points turn out to need.
struct SweepRun {
  std::uint64_t number = 0;
  std::uint64_t point = 0;
  std::uint32_t replicate = 0;
  std::uint64_t seed = 0;
  bool operator==(const SweepRun&) const = default;
};

// How far a check is, in values.
struct CheckShare {
  std::uint64_t done = 0;
  std::uint64_t all = 0;
};

class Experiment {
 public:
  // Reads the sweep, its scenario and the recordings. Throws ConfigError.
  explicit Experiment(const std::filesystem::path& file);
  Experiment(const Experiment&) = delete;
  Experiment& operator=(const Experiment&) = delete;

  const Sweep& sweep() const { return sweep_; }
  const Design& design() const { return design_; }
  const std::string& file() const { return file_; }

  std::uint64_t most_runs() const { return design_.points() * sweep_.replicates_at_most(); }
  SweepRun run(std::uint64_t number) const;

  // What the run runs, seed included. Throws ConfigError.
  Scenario scenario(const SweepRun& run) const;
  // Those of the scenario; what an axis names and nobody has read yet is read now.
  Recordings recordings(const Scenario& scenario) const;
  const std::string& scenario_file() const { return base_; }
  // The command that does the same run by itself, for a shell, in any directory of this machine.
  std::string replay(const SweepRun& run) const;
  // The same with the limits of the sweep, where they are why the run failed.
  std::string replay_within_limits(const SweepRun& run, FailureKind why) const;

  // Reads the scenario with each value of each axis by itself, or at each point. Throws ConfigError with
  // everything that is wrong. `tell` is told before each value.
  void check_each_value(const std::function<void(const CheckShare&)>& tell = {});
  // Of all that check_each_value() has read, which comes before: another one, when the scenario with any of these
  // values is another one.
  std::int64_t digest_of_values() const;
  void check_each_point() const;

 private:
  void apply_at(const Settings& settings, Value& document, const std::string& place) const;
  Scenario scenario_with(const std::vector<Level>& levels) const;
  std::uint64_t value_count() const;
  void for_each_value(const std::function<void(const std::vector<Level>&)>& visit) const;

  std::string file_;
  Sweep sweep_;
  Design design_;
  std::string base_;  // the scenario's path
  Value document_;
  mutable PartFiles parts_;  // that it names, as they were when they were first read
  Recordings recordings_;
  std::optional<std::int64_t> digest_of_values_;
};

}  // namespace viosim
