// What is different between two runs: events, metrics, latencies, expectations.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/compare/kolmogorov_smirnov.hpp"
#include "sim/compare/tolerances.hpp"
#include "sim/compare/trace_compare.hpp"
#include "sim/json/value.hpp"
#include "sim/record/run_reader.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct MetricDifference {
  std::string component;
  std::string name;
  Unit unit = Unit::count;
  std::optional<std::int64_t> a;  // nothing: that run has no such metric
  std::optional<std::int64_t> b;
};

inline constexpr std::array compared_percentiles = {std::pair{"p50", 0.50}, std::pair{"p90", 0.90},
                                                    std::pair{"p99", 0.99},
                                                    std::pair{"p99.9", 0.999}};

struct LatencySide {
  std::uint64_t count = 0;
  Ps mean{};
  std::array<Ps, compared_percentiles.size()> percentiles{};
};
struct LatencyDifference {
  std::string component;
  std::string operation;
  LatencySide a;
  LatencySide b;
  KsResult test;
};

struct ExpectationDifference {
  std::string expected;
  std::string a;  // what was found; empty: that run had no such clause
  std::string b;
};

// Of the violations of one invariant, the one with this number.
struct ViolationDifference {
  std::string invariant;
  std::uint64_t number = 0;  // from 1
  std::string a;             // all that its record says; empty: that run has none
  std::string b;
};

struct RunDifference {
  std::string scenario_a;  // names
  std::string scenario_b;
  std::vector<std::string> notes;  // what differs and is no result: version, scenario, seed
  TraceDifference trace;
  std::vector<MetricDifference> metrics;
  std::vector<LatencyDifference> latencies;
  std::vector<ExpectationDifference> expectations;
  std::vector<ViolationDifference> violations;
  bool equal() const {
    return !trace.first && metrics.empty() && latencies.empty() && expectations.empty() &&
           violations.empty();
  }
  // Events differ, and the same happened at other times. Nothing where there were none to compare.
  std::optional<bool> only_timing() const {
    if (!trace.compared || trace.events_a + trace.events_b == 0) return std::nullopt;
    return trace.same_but_for_time;
  }
};

// Throws ConfigError, with the place in `file`, for tolerances that nothing in a run is meant by.
void check_tolerances(const Tolerances& tolerances, const RunReader& run,
                      const std::filesystem::path& file);

RunDifference compare_runs(RunReader& a, RunReader& b, const Tolerances& tolerances);

// For people; `a` and `b` are what the two are called there. Empty when the runs are equal.
std::string difference_text(const RunDifference& difference, const RunReader& a, const RunReader& b,
                            const std::string& name_a, const std::string& name_b);
// For programs.
Value difference_json(const RunDifference& difference, const RunReader& a, const RunReader& b);

}  // namespace viosim
