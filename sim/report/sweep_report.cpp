// Puts the parts of a sweep's report together.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/sweep_report.hpp"

#include "core/base/error.hpp"
#include "sim/json/parse.hpp"
#include "sim/report/sweep_points.hpp"
#include "sim/sweep/sweep_reader.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace viosim::report {
namespace {

constexpr std::size_t most_failures = 2000;
constexpr std::size_t most_curves = 4000;  // of latencies and points
constexpr std::size_t longest_sweep = std::size_t{512} << 10U;
constexpr std::array<double, 17> fractions = {0.01, 0.05,  0.1,   0.2,    0.3,   0.4,
                                              0.5,  0.6,   0.7,   0.8,    0.9,   0.95,
                                              0.99, 0.995, 0.999, 0.9995, 0.9999};

Value::Object manifest_json(SweepTables& tables, const std::string& file,
                            const SweepPoints& points) {
  Value::Object object;
  for (const char* key : {"name", "program_version", "commit", "seed"})
    add(object, key, tables.manifest(key));
  const std::string sweep = tables.manifest("sweep");
  try {
    add(object, "checked", tables.checked());
    const Value document = parse_json(sweep, file);
    const Value::Object* const members = document.if_object();
    for (const char* key : {"description", "design"}) {
      const Value* const value = members != nullptr ? find(*members, key) : nullptr;
      if (value != nullptr && value->if_text() != nullptr) add(object, key, *value->if_text());
    }
  } catch (const ConfigError&) {
    // The sweep's own text is shown below as it is.
  }
  add(object, "runs", points.runs());
  add(object, "failed", points.failed());
  if (sweep.size() <= longest_sweep) add(object, "sweep", sweep);
  return object;
}

Value::Object failures_json(SweepTables& tables) {
  Value::Array all;
  const std::vector<FailureRow> failures = tables.failures();
  for (const FailureRow& failure : failures) {
    if (all.size() == most_failures) break;
    Value::Object object;
    add(object, "run", failure.run);
    add(object, "point", failure.point);
    add(object, "kind", failure.kind);
    add(object, "reason", failure.reason);
    add(object, "replay", failure.replay);
    all.emplace_back(std::move(object));
  }
  std::map<std::string, std::uint64_t> counts;
  for (const FailureRow& failure : failures) ++counts[failure.kind];
  Value::Object by_kind;
  for (const auto& [kind, count] : counts) add(by_kind, kind, count);
  Value::Object object;
  add(object, "total", failures.size());
  add(object, "by_kind", std::move(by_kind));
  add(object, "rows", std::move(all));
  return object;
}

// The fractions of all runs of a point, for those latencies that fit.
Value latencies_json(SweepReader& reader) {
  const std::vector<LatencyGroupRow> rows = reader.latencies(reader.tables().parameters(), {});
  Value::Array all;
  std::uint64_t total = 0;
  for (const LatencyGroupRow& row : rows) {
    if (row.histogram.count() == 0 || ++total > most_curves) continue;
    Value::Array group;
    for (const std::string& text : row.group) group.emplace_back(text);
    Value::Array values;
    for (const double fraction : fractions)
      values.emplace_back(row.histogram.percentile(fraction).count());
    Value::Object object;
    add(object, "name", row.latency);
    add(object, "group", std::move(group));
    add(object, "count", row.histogram.count());
    add(object, "values", std::move(values));
    all.emplace_back(std::move(object));
  }
  Value::Object object;
  Value::Array at;
  for (const double fraction : fractions) at.emplace_back(fraction);
  add(object, "fractions", std::move(at));
  add(object, "total", total);
  add(object, "rows", std::move(all));
  return Value(std::move(object));
}

}  // namespace

Value sweep_json(const std::filesystem::path& path) {
  SweepReader reader(path);
  SweepTables& tables = reader.tables();
  const SweepPoints points(tables);
  Value::Object object;
  add(object, "kind", "sweep");
  add(object, "manifest", manifest_json(tables, path.string(), points));
  add(object, "points", points.points_json());
  add(object, "parameters", points.parameters_json());
  std::vector<std::string> left_out;
  add(object, "figures", points.figures_json(left_out));
  Value::Array names;
  for (const std::string& name : left_out) names.emplace_back(name);
  add(object, "left_out", std::move(names));
  add(object, "student", points.student_json());
  add(object, "latencies", latencies_json(reader));
  add(object, "failures", failures_json(tables));
  return Value(std::move(object));
}

}  // namespace viosim::report
