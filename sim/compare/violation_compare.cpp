// Both sides as text, by each run's own names.
// SPDX-License-Identifier: Apache-2.0
#include "sim/compare/violation_compare.hpp"

#include "core/base/time.hpp"
#include "sim/compare/paired.hpp"
#include "sim/trace/event_names.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

namespace viosim {
namespace {

std::string when(std::int64_t time, TraceRule rule) {
  return rule == TraceRule::untimed ? "" : fmt::format(" at {}", format_time(Ps(time), 12));
}

std::string said(const std::string& text, TraceRule rule) {
  return rule == TraceRule::untimed ? "" : ": " + text;
}

std::string text_of(const ViolationRow& row, const EventNames& names, TraceRule rule) {
  std::string text = fmt::format(
      "{}{}, component {}, PASID {}, epoch {}, now {}, owner \"{}\", before \"{}\"{}", row.actor,
      when(row.time, rule), names.component(row.component), row.pasid, row.epoch, row.current_epoch,
      row.owner, row.previous_owner, said(row.message, rule));
  for (const ViolationRow::Event& event : row.events) {
    text += fmt::format("; after {} {}{}, PASID {}, epoch {}{}", names.component(event.component),
                        names.kind(event.kind).name, when(event.time, rule), event.pasid,
                        event.epoch, said(event.text, rule));
  }
  return text;
}

}  // namespace

std::vector<ViolationDifference> compare_violations(const RunReader& a, const RunReader& b,
                                                    TraceRule rule) {
  if (rule == TraceRule::off) return {};
  using Key = std::pair<std::string, std::uint64_t>;
  Paired<ViolationRow, Key> rows;
  std::map<std::string, std::uint64_t> seen_a;
  std::map<std::string, std::uint64_t> seen_b;
  for (const ViolationRow& row : a.violations())
    rows.add_a({row.invariant, ++seen_a[row.invariant]}, row);
  for (const ViolationRow& row : b.violations())
    rows.add_b({row.invariant, ++seen_b[row.invariant]}, row);
  const EventNames names_a(a);
  const EventNames names_b(b);
  std::vector<ViolationDifference> differences;
  for (const auto& [key, sides] : rows.all()) {
    std::string of_a = sides.a == nullptr ? "" : text_of(*sides.a, names_a, rule);
    std::string of_b = sides.b == nullptr ? "" : text_of(*sides.b, names_b, rule);
    if (of_a != of_b)
      differences.push_back({key.first, key.second, std::move(of_a), std::move(of_b)});
  }
  return differences;
}

}  // namespace viosim
