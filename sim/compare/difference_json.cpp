// The differences of two runs as JSON.
// SPDX-License-Identifier: Apache-2.0
#include "sim/compare/run_compare.hpp"
#include "sim/trace/event_names.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

Value event_json(const TraceEvent& event, const EventNames& names) {
  Value::Object object;
  add(object, "time_ps", event.time);
  add(object, "duration_ps", event.duration);
  add(object, "component", names.component(event.component));
  add(object, "kind", names.kind(event.kind).name);
  add(object, "pasid", event.pasid);
  add(object, "epoch", event.epoch);
  add(object, "address", fmt::format("{:#x}", event.address));
  add(object, "value", fmt::format("{:#x}", event.value));
  add(object, "code", event.code);
  return Value(std::move(object));
}

Value events_json(const std::vector<TraceEvent>& events, const EventNames& names) {
  Value::Array list;
  for (const TraceEvent& event : events) list.push_back(event_json(event, names));
  return Value(std::move(list));
}

Value trace_json(const TraceDifference& trace, const RunReader& a, const RunReader& b) {
  if (!trace.first) return Value();
  const EventNames names_a(a);
  const EventNames names_b(b);
  Value::Object object;
  add(object, "event", *trace.first);
  add(object, "before", events_json(trace.before, names_a));
  add(object, "a", events_json(trace.a, names_a));
  add(object, "b", events_json(trace.b, names_b));
  return Value(std::move(object));
}

Value side_json(const LatencySide& side) {
  Value::Object object;
  add(object, "count", side.count);
  add(object, "mean_ps", side.mean.count());
  for (std::size_t i = 0; i < side.percentiles.size(); ++i)
    add(object, fmt::format("{}_ps", compared_percentiles[i].first), side.percentiles[i].count());
  return Value(std::move(object));
}

Value violations_json(const std::vector<ViolationDifference>& violations) {
  const auto side = [](const std::string& text) { return text.empty() ? Value() : Value(text); };
  Value::Array list;
  for (const ViolationDifference& one : violations) {
    Value::Object row;
    add(row, "invariant", one.invariant);
    add(row, "number", one.number);
    add(row, "a", side(one.a));
    add(row, "b", side(one.b));
    list.emplace_back(std::move(row));
  }
  return Value(std::move(list));
}

}  // namespace

Value difference_json(const RunDifference& difference, const RunReader& a, const RunReader& b) {
  Value::Object object;
  add(object, "equal", difference.equal());
  const std::optional<bool> only_timing = difference.only_timing();
  add(object, "only_timing", only_timing ? Value(*only_timing) : Value());
  add(object, "scenario_a", difference.scenario_a);
  add(object, "scenario_b", difference.scenario_b);
  add(object, "events_a", difference.trace.events_a);
  add(object, "events_b", difference.trace.events_b);
  add(object, "first_divergence", trace_json(difference.trace, a, b));
  Value::Array metrics;
  for (const MetricDifference& one : difference.metrics) {
    Value::Object row;
    add(row, "component", one.component);
    add(row, "metric", one.name);
    add(row, "unit", name_of(one.unit));
    add(row, "a", one.a ? Value(*one.a) : Value());
    add(row, "b", one.b ? Value(*one.b) : Value());
    metrics.emplace_back(std::move(row));
  }
  add(object, "metrics", std::move(metrics));
  Value::Array latencies;
  for (const LatencyDifference& one : difference.latencies) {
    Value::Object row;
    add(row, "component", one.component);
    add(row, "operation", one.operation);
    add(row, "a", side_json(one.a));
    add(row, "b", side_json(one.b));
    add(row, "ks_distance", one.test.distance);
    add(row, "ks_p_value", one.test.probability);
    add(row, "ks_distance_most", one.test.distance_most);
    add(row, "ks_p_value_least", one.test.probability_least);
    latencies.emplace_back(std::move(row));
  }
  add(object, "latencies", std::move(latencies));
  Value::Array expectations;
  for (const ExpectationDifference& one : difference.expectations) {
    Value::Object row;
    add(row, "expected", one.expected);
    add(row, "a", one.a);
    add(row, "b", one.b);
    expectations.emplace_back(std::move(row));
  }
  add(object, "expectations", std::move(expectations));
  add(object, "violations", violations_json(difference.violations));
  Value::Array notes;
  for (const std::string& note : difference.notes) notes.emplace_back(note);
  add(object, "notes", std::move(notes));
  return Value(std::move(object));
}

}  // namespace viosim
