// What is said of a violation.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/violations.hpp"

#include "core/base/units.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

constexpr std::size_t most_told = 5;

std::string time_text(std::int64_t time) { return format_time(Ps(time), 12); }

std::string text_of(const check::Violation& violation, const std::vector<std::string>& components) {
  const check::InvariantInfo& info = check::info_of(violation.invariant);
  std::string text = fmt::format(
      "  {} at {}: {}\n    {} ({})\n    found at {}; epoch {}, now {}; owner {}, before {}\n",
      check::name_of(violation.invariant), time_text(violation.time), violation.message,
      info.sentence, info.bug_class, violation.actor, violation.epoch, violation.current_epoch,
      violation.owner.empty() ? "none" : violation.owner,
      violation.previous_owner.empty() ? "none" : violation.previous_owner);
  for (const TraceEvent& event : violation.chain) {
    text += fmt::format("      {:>16}  epoch {}  {}\n", time_text(event.time), event.epoch,
                        check::text_of(event, components.at(event.component)));
  }
  return text;
}

}  // namespace

std::string violations_text(const std::vector<check::Violation>& violations, std::uint64_t found,
                            const std::vector<std::string>& components) {
  if (violations.empty()) return {};
  std::string text = fmt::format("\nviolations of invariants: {}\n", found);
  for (std::size_t i = 0; i < violations.size() && i < most_told; ++i)
    text += text_of(violations[i], components);
  if (found > most_told) text += fmt::format("  ... and {} more\n", found - most_told);
  return text;
}

void add_violations(Value::Object& summary, const std::vector<check::Violation>& violations,
                    const std::vector<std::string>& components) {
  if (violations.empty()) return;
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
      events.emplace_back(fmt::format("{} ps: {}", event.time,
                                      check::text_of(event, components.at(event.component))));
    }
    add(object, "events", std::move(events));
    all.emplace_back(std::move(object));
  }
  add(summary, "violations", std::move(all));
}

ViolationRow row_of(const check::Violation& violation, const std::vector<std::string>& components) {
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
    row.events.push_back({event.time, event.component, event.kind, event.pasid, event.epoch,
                          check::text_of(event, components.at(event.component))});
  }
  return row;
}

}  // namespace viosim
