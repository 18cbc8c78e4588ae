// Rows of marks.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/marks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace viosim::report {
namespace {

// From above to below.
constexpr std::array<std::string_view, 7> order = {"action", "plug",  "unplug",   "vanish",
                                                   "reset",  "fault", "violation"};

}  // namespace

Marks::Kind& Marks::put(const std::string& kind, std::int64_t time) {
  Kind& row = kinds_[kind];
  ++row.count;
  ++row.bins[grid_.bin_of(grid_.clamp(time))];
  return row;
}

void Marks::add(const TraceEvent& event, const Roles& roles, const EventNames& names) {
  Kind& row = put(roles.name(event.kind), event.time);
  if (row.events.size() < most_shown) row.events.emplace_back(event.time, event_text(event, names));
}

void Marks::add(const ViolationRow& violation, std::size_t number) {
  Kind& row = put("violation", violation.time);
  if (row.events.size() < most_shown)
    row.events.emplace_back(
        violation.time, fmt::format("{} ({}): {}", violation.invariant, number, violation.message));
}

Value Marks::json() const {
  Value::Array rows;
  for (const std::string_view name : order) {
    const auto found = kinds_.find(std::string(name));
    if (found == kinds_.end()) continue;
    const Kind& kind = found->second;
    Value::Array events;
    for (const auto& [time, text] : kind.events) {
      Value::Array event;
      event.emplace_back(time);
      event.emplace_back(text);
      events.emplace_back(std::move(event));
    }
    Value::Array bins;
    for (const auto& [bin, count] : kind.bins) {
      if (kind.count == kind.events.size()) break;
      Value::Array pair;
      pair.emplace_back(bin);
      pair.emplace_back(count);
      bins.emplace_back(std::move(pair));
    }
    Value::Object row;
    viosim::add(row, "kind", name);
    viosim::add(row, "count", kind.count);
    viosim::add(row, "events", std::move(events));
    viosim::add(row, "bins", std::move(bins));
    rows.emplace_back(std::move(row));
  }
  return Value(std::move(rows));
}

}  // namespace viosim::report
