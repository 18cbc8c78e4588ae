// Puts the parts of a run's report together.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/run_report.hpp"

#include "core/base/error.hpp"
#include "sim/check/invariants.hpp"
#include "sim/json/parse.hpp"
#include "sim/report/latencies.hpp"
#include "sim/report/run_tables.hpp"
#include "sim/report/timeline.hpp"

namespace viosim::report {
namespace {

constexpr std::size_t longest_scenario = std::size_t{512} << 10U;  // bytes that a page carries
constexpr std::size_t most_violations = 1100;                      // more than check::Scene keeps
constexpr std::size_t most_rows_but_first = 1000;  // of violations, in a run database

std::string component_name(const RunReader& reader, std::uint32_t number) {
  return number < reader.components().size() ? reader.components()[number] : "unknown";
}

std::string kind_name(const RunReader& reader, std::uint16_t number) {
  for (const EventKindRow& kind : reader.kinds()) {
    if (kind.kind == number) return kind.name;
  }
  return "unknown";
}

// A text that is not a scenario stays one: a run of an older program may have another language.
Value::Object scenario_facts(const RunReader& reader) {
  Value::Object facts;
  try {
    const Value scenario = parse_json(reader.manifest().scenario, reader.file());
    const Value::Object* const members = scenario.if_object();
    for (const char* key : {"name", "description", "duration"}) {
      const Value* const value = members != nullptr ? find(*members, key) : nullptr;
      if (value != nullptr && value->if_text() != nullptr) add(facts, key, *value->if_text());
    }
  } catch (const ConfigError&) {
    return {};
  }
  return facts;
}

Value::Object manifest_json(const RunReader& reader) {
  const Manifest& manifest = reader.manifest();
  Value::Object object = scenario_facts(reader);
  add(object, "program_version", manifest.program_version);
  for (const auto& [key, value] : manifest.more) add(object, key, value);
  add(object, "seed", std::to_string(manifest.seed));  // beyond what a script's number holds
  add(object, "complete", reader.complete());
  add(object, "events", reader.event_count());
  add(object, "components", reader.components().size());
  if (manifest.scenario.size() <= longest_scenario) add(object, "scenario", manifest.scenario);
  return object;
}

Value expectations_json(const RunReader& reader) {
  Value::Array all;
  for (const ExpectationRow& row : reader.expectations()) {
    Value::Object object;
    add(object, "expected", row.expected);
    add(object, "found", row.found);
    add(object, "met", row.met);
    all.emplace_back(std::move(object));
  }
  return Value(std::move(all));
}

Value chain_json(const RunReader& reader, const ViolationRow& row) {
  Value::Array chain;
  for (const ViolationRow::Event& event : row.events) {
    Value::Object link;
    add(link, "time", event.time);
    add(link, "component", component_name(reader, event.component));
    add(link, "kind", kind_name(reader, event.kind));
    add(link, "pasid", event.pasid);
    add(link, "epoch", event.epoch);
    add(link, "text", event.text);
    chain.emplace_back(std::move(link));
  }
  return Value(std::move(chain));
}

void add_invariant(Value::Object& object, const std::string& name) {
  for (const check::InvariantInfo& info : check::invariants()) {
    if (check::name_of(info.invariant) != name) continue;
    add(object, "sentence", info.sentence);
    add(object, "bug", info.bug_class);
  }
}

Value::Object violations_json(const RunReader& reader) {
  Value::Array all;
  for (const ViolationRow& row : reader.violations()) {
    if (all.size() == most_violations) break;
    Value::Object object;
    add(object, "invariant", row.invariant);
    add_invariant(object, row.invariant);
    add(object, "time", row.time);
    add(object, "component", component_name(reader, row.component));
    add(object, "actor", row.actor);
    add(object, "pasid", row.pasid);
    add(object, "epoch", row.epoch);
    add(object, "current_epoch", row.current_epoch);
    add(object, "owner", row.owner);
    add(object, "previous_owner", row.previous_owner);
    add(object, "message", row.message);
    add(object, "events", chain_json(reader, row));
    all.emplace_back(std::move(object));
  }
  std::uint64_t total = 0;
  Value::Object by_invariant;
  for (const auto& [invariant, times] : reader.violation_counts()) {
    add(by_invariant, invariant, times);
    total += times;
  }
  Value::Object object;
  add(object, "total", total);
  // Rows alone do not say whether there was more than they have room for.
  add(object, "at_least",
      !reader.has_violation_counts() && reader.violations().size() >= most_rows_but_first);
  add(object, "by_invariant", std::move(by_invariant));
  add(object, "rows", std::move(all));
  return object;
}

}  // namespace

Value run_json(RunReader& reader) {
  Value::Object object;
  add(object, "kind", "run");
  add(object, "manifest", manifest_json(reader));
  add(object, "expectations", expectations_json(reader));
  add(object, "violations", violations_json(reader));
  add(object, "latencies", latencies_json(reader.latencies(), reader.components()));
  add(object, "tables", tables_json(reader.metrics(), reader.components()));
  add(object, "counters", counters_json(reader.metrics(), reader.components()));
  add(object, "timeline", timeline_json(reader));
  return Value(std::move(object));
}

}  // namespace viosim::report
