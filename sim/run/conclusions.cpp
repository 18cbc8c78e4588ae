// Lays out events and verdicts, for people and for programs.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/conclusions.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

constexpr std::size_t most_lines = 24;  // of each list on the terminal

// In the order in which they happened.
std::string events_text(const Events& events) {
  if (events.all().empty()) return {};
  std::vector<const Events::Event*> happened;
  for (const Events::Event& event : events.all()) {
    if (event.at) happened.push_back(&event);
  }
  std::stable_sort(happened.begin(), happened.end(),
                   [](const auto* a, const auto* b) { return *a->at < *b->at; });
  std::string text = "\nevents\n";
  for (std::size_t i = 0; i < happened.size() && i < most_lines; ++i) {
    text += fmt::format("  {:>10}  {}\n", format_time(happened[i]->at->since_start(), 6),
                        happened[i]->name);
    for (const auto& [component, why] : happened[i]->nothing_done)
      text += fmt::format("  {:>10}  nothing was done to {}: {}\n", "", component, why);
  }
  if (happened.size() > most_lines)
    text += fmt::format("  ... and {} more\n", happened.size() - most_lines);
  return text;
}

std::string line_of(const Verdict& verdict) {
  return fmt::format("  {:<8} {}: {}\n", verdict.met ? "met" : "NOT MET", verdict.expected,
                     verdict.found);
}

// Of many clauses, those that are not met are shown first.
std::string verdicts_text(const std::vector<Verdict>& verdicts) {
  if (verdicts.empty()) return {};
  const auto met = static_cast<std::size_t>(
      std::count_if(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.met; }));
  std::string text = fmt::format("\nexpected: {} of {} met\n", met, verdicts.size());
  std::size_t lines = 0;
  for (const bool wanted : {false, true}) {
    for (const Verdict& verdict : verdicts) {
      if (verdict.met == wanted && lines++ < most_lines) text += line_of(verdict);
    }
  }
  if (lines > most_lines) text += fmt::format("  ... and {} more\n", lines - most_lines);
  return text;
}

Value::Array nothing_done(const Events::Event& event) {
  Value::Array all;
  for (const auto& [component, why] : event.nothing_done) {
    Value::Object object;
    add(object, "component", component);
    add(object, "why", why);
    all.emplace_back(std::move(object));
  }
  return all;
}

Value to_json(const Verdict& verdict) {
  Value::Object object;
  add(object, "expected", verdict.expected);
  add(object, "found", verdict.found);
  add(object, "met", verdict.met);
  if (verdict.least) add(object, "least", *verdict.least);
  if (verdict.most) add(object, "most", *verdict.most);
  if (verdict.failing.empty()) return Value(std::move(object));
  Value::Array failing;
  for (const std::string& component : verdict.failing) failing.emplace_back(component);
  add(object, "failing", std::move(failing));
  return Value(std::move(object));
}

}  // namespace

std::string conclusions_text(const Events& events, const std::vector<Verdict>& verdicts) {
  return events_text(events) + verdicts_text(verdicts);
}

void add_conclusions(Value::Object& summary, const Events& events,
                     const std::vector<Verdict>& verdicts) {
  if (!events.all().empty()) {
    Value::Array all;
    for (const Events::Event& event : events.all()) {
      Value::Object object;
      add(object, "name", event.name);
      object.push_back({"at_ps", event.at ? Value(event.at->ps()) : Value()});
      if (!event.nothing_done.empty()) add(object, "nothing_done", nothing_done(event));
      all.emplace_back(std::move(object));
    }
    add(summary, "events", std::move(all));
  }
  if (verdicts.empty()) return;
  Value::Array all;
  for (const Verdict& verdict : verdicts) all.push_back(to_json(verdict));
  add(summary, "expectations", std::move(all));
  add(summary, "as_expected", all_met(verdicts));
}

}  // namespace viosim
