// Sums of the parts of requests.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/breakdown.hpp"

#include "models/trace_events.hpp"
#include "sim/run/text_table.hpp"

#include <algorithm>

namespace viosim::report {
namespace {

Value spent_json(std::uint64_t time, std::uint64_t count) {
  Value::Array pair;
  pair.emplace_back(time);
  pair.emplace_back(count);
  return Value(std::move(pair));
}

}  // namespace

Breakdown::Outcome Breakdown::outcome_of(std::uint16_t code) {
  if (code == outcome_hit) return hit;
  if (code == outcome_miss) return miss;
  return code == outcome_no_page ? no_page : fault;
}

Breakdown::Row& Breakdown::row(std::uint32_t component) {
  // Components that the run's tables do not have share the last place.
  const std::size_t place = std::min<std::size_t>(component, known_);
  if (place >= rows_.size()) rows_.resize(place + 1);
  return rows_[place];
}

void Breakdown::translated(const TraceEvent& event) {
  const Outcome outcome = outcome_of(event.code);
  Spent& spent = row(event.component).answers[outcome];
  spent.time += static_cast<std::uint64_t>(event.time - begin_of(event));
  ++spent.count;
  std::vector<std::uint64_t>& answers = answers_[outcome];
  if (answers.empty()) answers.resize(grid_.bins);
  ++answers[grid_.bin_of(grid_.clamp(event.time))];
}

void Breakdown::part(const TraceEvent& event) {
  Spent& spent = row(event.component).parts[event.kind];
  spent.time += static_cast<std::uint64_t>(event.time - begin_of(event));
  ++spent.count;
  Gauge& gauge = gauges_[event.kind];
  gauge.add(grid_, begin_of(event), 1);
  gauge.add(grid_, event.time, -1);
}

Value Breakdown::row_json(const std::string& name, const std::vector<const Row*>& members) const {
  Row sum;
  const auto put = [](Spent& into, const Spent& from) {
    into.time += from.time;
    into.count += from.count;
  };
  for (const Row* member : members) {
    for (const auto& [kind, spent] : member->parts) put(sum.parts[kind], spent);
    for (std::size_t i = 0; i < outcomes; ++i) put(sum.answers[i], member->answers[i]);
  }
  Value::Object object;
  add(object, "name", name);
  Value::Object parts;
  for (const auto& [kind, spent] : sum.parts)
    add(parts, roles_.name(kind), spent_json(spent.time, spent.count));
  if (!sum.parts.empty()) {
    add(object, "of", roles_.whole(sum.parts.begin()->first));
    add(object, "parts", std::move(parts));
  }
  Value::Object answers;
  for (std::size_t i = 0; i < outcomes; ++i) {
    if (sum.answers[i].count != 0)
      add(answers, outcome_names[i], spent_json(sum.answers[i].time, sum.answers[i].count));
  }
  if (!answers.empty()) add(object, "answers", std::move(answers));
  return Value(std::move(object));
}

Value Breakdown::rows_json(const std::vector<std::string>& components) const {
  std::vector<RowKey> keys;
  std::vector<const Row*> used;
  for (std::size_t c = 0; c < rows_.size(); ++c) {
    const bool answered = std::any_of(rows_[c].answers.begin(), rows_[c].answers.end(),
                                      [](const Spent& spent) { return spent.count != 0; });
    if (!answered && rows_[c].parts.empty()) continue;
    keys.push_back({c < components.size() ? components[c] : "unknown components", ""});
    used.push_back(&rows_[c]);
  }
  Value::Array all;
  for (const TableRow& one : rows_of(keys)) {
    std::vector<const Row*> members;
    members.reserve(one.members.size());
    for (const std::size_t member : one.members) members.push_back(used[member]);
    all.push_back(row_json(one.name, members));
  }
  return Value(std::move(all));
}

// One stack for each kind of whole; the parts in the order of their kinds, which is that of a request's life.
Value Breakdown::stacks_json() const {
  std::vector<std::string> wholes;
  for (const auto& [kind, gauge] : gauges_) {
    if (std::find(wholes.begin(), wholes.end(), roles_.whole(kind)) == wholes.end())
      wholes.push_back(roles_.whole(kind));
  }
  Value::Array stacks;
  for (const std::string& whole : wholes) {
    Value::Array layers;
    for (const auto& [kind, gauge] : gauges_) {
      if (roles_.whole(kind) != whole) continue;
      Value layer = gauge.json(grid_);
      add(*layer.if_object(), "name", roles_.name(kind));
      layers.push_back(std::move(layer));
    }
    Value::Object stack;
    add(stack, "of", whole);
    add(stack, "layers", std::move(layers));
    stacks.emplace_back(std::move(stack));
  }
  return Value(std::move(stacks));
}

Value Breakdown::json(const std::vector<std::string>& components) const {
  Value::Object object;
  add(object, "rows", rows_json(components));
  add(object, "stacks", stacks_json());
  Value::Object outcomes_over_time;
  for (std::size_t i = 0; i < outcomes; ++i) {
    if (answers_[i].empty()) continue;
    Value::Array counts;
    for (const std::uint64_t count : answers_[i]) counts.emplace_back(count);
    add(outcomes_over_time, outcome_names[i], std::move(counts));
  }
  add(object, "outcomes", std::move(outcomes_over_time));
  return Value(std::move(object));
}

}  // namespace viosim::report
