// What is said of a violation.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/violations.hpp"

#include "core/base/units.hpp"
#include "models/event_fields.hpp"
#include "sim/run/numbers.hpp"

#include <fmt/format.h>

#include <set>

namespace viosim {
namespace {

std::string time_text(std::int64_t time) { return format_time(Ps(time), 12); }

std::string text_of(const check::Violation& violation, std::uint64_t times,
                    const EventWords& words) {
  const check::InvariantInfo& info = check::info_of(violation.invariant);
  const std::string name = check::name_of(violation.invariant);
  std::string text = fmt::format(
      "  {} at {}: {}\n    {} ({})\n    found at {}; epoch {}, now {}; owner {}, before {}\n",
      times == 1 ? name : fmt::format("{}, {} times, first", name, grouped(times)),
      time_text(violation.time), violation.message, info.sentence, info.bug_class, violation.actor,
      violation.epoch, violation.current_epoch, violation.owner.empty() ? "none" : violation.owner,
      violation.previous_owner.empty() ? "none" : violation.previous_owner);
  for (const TraceEvent& event : violation.chain) {
    text += fmt::format("      {:>16}  epoch {}  {}\n", time_text(event.time), event.epoch,
                        words.of(event));
  }
  return text;
}

}  // namespace

std::uint64_t found(const ViolationCounts& counts) {
  std::uint64_t all = 0;
  for (const auto& [name, times] : counts) all += times;
  return all;
}

std::string violations_text(const std::vector<check::Violation>& violations,
                            const ViolationCounts& counts,
                            const std::vector<std::string>& components) {
  if (violations.empty()) return {};
  const EventWords words(components);
  std::string text = fmt::format("\nviolations of invariants: {}\n", grouped(found(counts)));
  std::set<check::Invariant> told;
  for (const check::Violation& one : violations) {
    if (told.insert(one.invariant).second)
      text += text_of(one, counts.at(check::name_of(one.invariant)), words);
  }
  return text;
}

void add_violations(Value::Object& summary, const std::vector<check::Violation>& violations,
                    const ViolationCounts& counts, const std::vector<std::string>& components) {
  add(summary, "violations_found", found(counts));
  if (violations.empty()) return;
  Value::Object by_invariant;
  for (const auto& [name, times] : counts) add(by_invariant, name, times);
  add(summary, "violations_by_invariant", std::move(by_invariant));
  const EventWords words(components);
  Value::Array all;
  for (const check::Violation& violation : violations) {
    Value::Object object;
    add(object, "invariant", check::name_of(violation.invariant));
    add(object, "at_ps", violation.time);
    add(object, "component", violation.actor);
    add(object, "pasid", std::uint64_t{violation.pasid});
    add(object, "epoch", std::uint64_t{violation.epoch});
    add(object, "current_epoch", std::uint64_t{violation.current_epoch});
    add(object, "owner", violation.owner);
    add(object, "previous_owner", violation.previous_owner);
    add(object, "message", violation.message);
    Value::Array events;
    for (const TraceEvent& event : violation.chain) {
      events.emplace_back(fmt::format("{} ps: {}", event.time, words.of(event)));
    }
    add(object, "events", std::move(events));
    all.emplace_back(std::move(object));
  }
  add(summary, "violations", std::move(all));
}

ViolationRow row_of(const check::Violation& violation, const EventWords& words) {
  ViolationRow row{check::name_of(violation.invariant),
                   violation.time,
                   violation.component,
                   violation.actor,
                   violation.pasid,
                   violation.epoch,
                   violation.current_epoch,
                   violation.owner,
                   violation.previous_owner,
                   violation.message,
                   {}};
  for (const TraceEvent& event : violation.chain) {
    row.events.push_back(
        {event.time, event.component, event.kind, event.pasid, event.epoch, words.of(event)});
  }
  return row;
}

}  // namespace viosim
