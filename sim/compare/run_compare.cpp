// Compares two runs table by table, by names: numbers of components are each run's own.
// SPDX-License-Identifier: Apache-2.0
#include "sim/compare/run_compare.hpp"

#include "core/base/error.hpp"
#include "sim/compare/paired.hpp"
#include "sim/compare/violation_compare.hpp"
#include "sim/json/parse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace viosim {
namespace {

using Names = std::pair<std::string, std::string>;  // of a component, and of what is measured there

bool within(double record, double now, double part) {
  return std::abs(now - record) <= part * std::abs(record);
}

const std::string& measured(const MetricTolerance& one) { return one.metric; }
const std::string& measured(const LatencyTolerance& one) { return one.operation; }

template <class Tolerance>
bool means(const Tolerance& one, const Names& names) {
  return (measured(one).empty() || measured(one) == names.second) &&
         one.component.matches(names.first);
}

template <class Tolerance>
std::optional<double> tolerance_of(const std::vector<Tolerance>& all, const Names& names) {
  for (const Tolerance& one : all) {
    if (means(one, names)) return one.within;
  }
  return std::nullopt;
}

std::vector<MetricDifference> compare_metrics(const RunReader& a, const RunReader& b,
                                              const Tolerances& tolerances) {
  Paired<MetricRow, Names> rows;
  for (const MetricRow& row : a.metrics())
    rows.add_a({a.components().at(row.component), row.name}, row);
  for (const MetricRow& row : b.metrics())
    rows.add_b({b.components().at(row.component), row.name}, row);
  std::vector<MetricDifference> differences;
  for (const auto& [names, sides] : rows.all()) {
    const bool both = sides.a != nullptr && sides.b != nullptr;
    if (both && sides.a->value == sides.b->value) continue;
    const std::optional<double> part = tolerance_of(tolerances.metrics, names);
    if (both && part &&
        within(static_cast<double>(sides.a->value), static_cast<double>(sides.b->value), *part))
      continue;
    MetricDifference difference{names.first, names.second, Unit::count, {}, {}};
    difference.unit = (sides.a != nullptr ? sides.a : sides.b)->unit;
    if (sides.a != nullptr) difference.a = sides.a->value;
    if (sides.b != nullptr) difference.b = sides.b->value;
    differences.push_back(std::move(difference));
  }
  return differences;
}

LatencySide side_of(const Histogram& histogram) {
  LatencySide side{histogram.count(), histogram.mean(), {}};
  for (std::size_t i = 0; i < compared_percentiles.size(); ++i)
    side.percentiles[i] = histogram.percentile(compared_percentiles[i].second);
  return side;
}

bool within(const LatencySide& record, const LatencySide& now, double part) {
  const auto close = [&](Ps of_record, Ps of_now) {
    return within(static_cast<double>(of_record.count()), static_cast<double>(of_now.count()),
                  part);
  };
  bool all = record.count == now.count && close(record.mean, now.mean);
  for (std::size_t i = 0; i < record.percentiles.size(); ++i)
    all = all && close(record.percentiles[i], now.percentiles[i]);
  return all;
}

std::vector<LatencyDifference> compare_latencies(const RunReader& a, const RunReader& b,
                                                 const Tolerances& tolerances) {
  Paired<LatencyRow, Names> rows;
  for (const LatencyRow& row : a.latencies())
    rows.add_a({a.components().at(row.component), row.operation}, row);
  for (const LatencyRow& row : b.latencies())
    rows.add_b({b.components().at(row.component), row.operation}, row);
  const Histogram none;
  std::vector<LatencyDifference> differences;
  for (const auto& [names, sides] : rows.all()) {
    const Histogram& of_a = sides.a != nullptr ? sides.a->histogram : none;
    const Histogram& of_b = sides.b != nullptr ? sides.b->histogram : none;
    if (of_a == of_b) continue;
    LatencyDifference difference{names.first, names.second, side_of(of_a), side_of(of_b), {}};
    const std::optional<double> part = tolerance_of(tolerances.latencies, names);
    if (part && within(difference.a, difference.b, *part)) continue;
    difference.test = kolmogorov_smirnov(of_a, of_b);
    differences.push_back(std::move(difference));
  }
  return differences;
}

std::string found_text(const ExpectationRow* row) {
  return row == nullptr ? "" : fmt::format("{} ({})", row->found, row->met ? "met" : "not met");
}

std::vector<ExpectationDifference> compare_expectations(const RunReader& a, const RunReader& b) {
  // The same clause may stand there twice.
  using Key = std::pair<std::string, int>;
  Paired<ExpectationRow, Key> rows;
  std::map<std::string, int> seen_a;
  std::map<std::string, int> seen_b;
  for (const ExpectationRow& row : a.expectations())
    rows.add_a({row.expected, seen_a[row.expected]++}, row);
  for (const ExpectationRow& row : b.expectations())
    rows.add_b({row.expected, seen_b[row.expected]++}, row);
  std::vector<ExpectationDifference> differences;
  // Of a run that an older program made nobody knows what was expected.
  if (!a.has_expectations() || !b.has_expectations()) return differences;
  for (const auto& [key, sides] : rows.all()) {
    std::string of_a = found_text(sides.a);
    std::string of_b = found_text(sides.b);
    if (of_a != of_b) differences.push_back({key.first, std::move(of_a), std::move(of_b)});
  }
  return differences;
}

std::string name_of_scenario(const RunReader& reader) {
  if (reader.manifest().scenario.empty()) return "?";
  const Value scenario = parse_json(reader.manifest().scenario, reader.file());
  const Value::Object* const object = scenario.if_object();
  const Value* const name = object != nullptr ? find(*object, "name") : nullptr;
  return name != nullptr && name->if_text() != nullptr ? *name->if_text() : "?";
}

std::vector<std::string> notes_on(const RunReader& a, const RunReader& b) {
  std::vector<std::string> notes;
  const auto note = [&](const char* what, const auto& of_a, const auto& of_b) {
    if (of_a != of_b) notes.push_back(fmt::format("{} {} against {}", what, of_a, of_b));
  };
  note("program version", a.manifest().program_version, b.manifest().program_version);
  note("format", a.format_version(), b.format_version());
  note("seed", a.manifest().seed, b.manifest().seed);
  for (const char* const key : {"checks", "trace"}) {
    const std::string of_a = a.manifest().fact(key);
    const std::string of_b = b.manifest().fact(key);
    if (!of_a.empty() && !of_b.empty()) note(key, of_a, of_b);
  }
  note("whole run", a.complete(), b.complete());
  if (!a.complete() && !b.complete())
    notes.emplace_back(
        "neither run has finished: these are their traces up to the last blocks that were stored");
  if (a.manifest().scenario != b.manifest().scenario)
    notes.emplace_back("the scenarios, with all their defaults, are not the same text");
  return notes;
}

}  // namespace

namespace {

template <class Tolerance>
void refuse_unmeant(const std::vector<Tolerance>& all, const std::vector<Names>& there,
                    const std::string& what, const std::filesystem::path& file,
                    std::vector<Problem>& problems) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto meant = [&](const Names& names) { return means(all[i], names); };
    if (std::any_of(there.begin(), there.end(), meant)) continue;
    std::vector<std::string_view> of_components;
    for (const Names& names : there) {
      if (all[i].component.matches(names.first)) of_components.push_back(names.second);
    }
    const std::string_view nearest = nearest_name(measured(all[i]), of_components);
    problems.push_back(
        {file.string(), fmt::format("/tolerances/{}/{}", what, i),
         of_components.empty()
             ? fmt::format("no component of the record that has {} is called so", what)
             : fmt::format("the record has no \"{}\" there{}", measured(all[i]),
                           nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest))});
  }
}

}  // namespace

void check_tolerances(const Tolerances& tolerances, const RunReader& run,
                      const std::filesystem::path& file) {
  std::vector<Names> metrics;
  for (const MetricRow& row : run.metrics())
    metrics.emplace_back(run.components().at(row.component), row.name);
  std::vector<Names> latencies;
  for (const LatencyRow& row : run.latencies())
    latencies.emplace_back(run.components().at(row.component), row.operation);
  std::vector<Problem> problems;
  refuse_unmeant(tolerances.latencies, latencies, "latencies", file, problems);
  refuse_unmeant(tolerances.metrics, metrics, "metrics", file, problems);
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

RunDifference compare_runs(RunReader& a, RunReader& b, const Tolerances& tolerances) {
  RunDifference difference;
  difference.scenario_a = name_of_scenario(a);
  difference.scenario_b = name_of_scenario(b);
  difference.notes = notes_on(a, b);
  const auto untraced = [](const RunReader& run) { return run.manifest().fact("trace") == "off"; };
  const bool comparable = untraced(a) == untraced(b);
  if (!comparable) difference.notes.emplace_back("events are not compared: one run has no trace");
  difference.trace = compare_traces(a, b, comparable ? tolerances.trace : TraceRule::off);
  difference.metrics = compare_metrics(a, b, tolerances);
  difference.latencies = compare_latencies(a, b, tolerances);
  difference.expectations = compare_expectations(a, b);
  difference.violations = compare_violations(a, b, tolerances.trace);
  return difference;
}

}  // namespace viosim
