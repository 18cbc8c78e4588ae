// Lays the differences of two runs out in tables.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/time.hpp"
#include "sim/compare/run_compare.hpp"
#include "sim/run/numbers.hpp"
#include "sim/run/text_table.hpp"
#include "sim/trace/event_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

constexpr const char* all_of_them = "with --json";
constexpr double usual_level = 0.05;  // of significance

// "+0.14 %", or nothing to divide by.
std::string change_text(double from, double to) {
  if (from == 0) return "-";
  return fmt::format("{:+.3g} %", 100 * (to - from) / from);
}

std::string value_text(const std::optional<std::int64_t>& value, Unit unit) {
  if (!value) return "none";
  if (unit == Unit::picoseconds) return format_time(Ps(*value), 12);
  return fmt::format("{}{}", *value, unit == Unit::bytes ? " B" : "");
}

void append_events(std::string& text, const std::string& name, std::uint64_t first,
                   const std::vector<TraceEvent>& events, const EventNames& names) {
  if (events.empty()) {
    text += fmt::format("    {:<8} the trace ends here\n", name);
    return;
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    text += fmt::format("  {} {:<8} {:>10}  {}\n", i == 0 ? '>' : ' ', name, grouped(first + i),
                        event_text(events[i], names));
  }
}

// Which fields of the first event that differs do so.
std::string fields_text(const TraceEvent& a, const EventNames& names_a, const TraceEvent& b,
                        const EventNames& names_b) {
  std::vector<std::string_view> fields;
  const auto check = [&](std::string_view name, bool same) {
    if (!same) fields.push_back(name);
  };
  check("component", names_a.component(a.component) == names_b.component(b.component));
  check("kind", names_a.kind(a.kind).name == names_b.kind(b.kind).name);
  check("time", a.time == b.time);
  check("duration", a.duration == b.duration);
  check("address", a.address == b.address);
  check("value", a.value == b.value);
  check("PASID", a.pasid == b.pasid);
  check("epoch", a.epoch == b.epoch);
  check("code", a.code == b.code);
  return fmt::format("{}", fmt::join(fields, ", "));
}

void append_trace(std::string& text, const RunDifference& difference, const RunReader& a,
                  const RunReader& b, const std::string& name_a, const std::string& name_b) {
  const TraceDifference& trace = difference.trace;
  if (!trace.first) return;
  const EventNames names_a(a);
  const EventNames names_b(b);
  const bool of_a = !trace.a.empty();
  const TraceEvent& event = of_a ? trace.a.front() : trace.b.front();
  const EventNames& names = of_a ? names_a : names_b;
  text += fmt::format("scenario {}, event {} ({} of {} and {} events), component {}, kind {}",
                      difference.scenario_a, grouped(*trace.first), "first divergence",
                      grouped(trace.events_a), grouped(trace.events_b),
                      names.component(event.component), names.kind(event.kind).name);
  if (of_a && !trace.b.empty())
    text += ": other " + fields_text(trace.a.front(), names_a, trace.b.front(), names_b);
  text += '\n';
  for (std::size_t i = 0; i < trace.before.size(); ++i) {
    text += fmt::format("    {:<8} {:>10}  {}\n", "both",
                        grouped(*trace.first - trace.before.size() + i),
                        event_text(trace.before[i], names_a));
  }
  append_events(text, name_a, *trace.first, trace.a, names_a);
  append_events(text, name_b, *trace.first, trace.b, names_b);
  if (trace.same_but_for_time) {
    text += "  only timing moved: both hold the same events, at other times or in another order\n";
  }
}

// "0.0312", or "0.0312 to 0.9800" where histograms do not tell it exactly.
std::string bounds_text(std::string from, std::string to) {
  return from == to ? from : fmt::format("{} to {}", from, to);
}

void append_latencies(std::string& text, const std::vector<LatencyDifference>& latencies,
                      const std::string& name_a, const std::string& name_b) {
  TextTable table({"latency", "operation", "", "count", "mean", "p50", "p90", "p99", "p99.9"},
                  TextTable::most_rows, all_of_them);
  TextTable tests({"two-sample Kolmogorov-Smirnov test", "operation", "distance", "p-value"},
                  TextTable::most_rows, all_of_them);
  bool within_buckets = false;
  bool undecided = false;
  for (const LatencyDifference& one : latencies) {
    const auto row = [&](std::string name, std::string operation, const std::string& side,
                         const LatencySide& of) {
      std::vector<std::string> cells{std::move(name), std::move(operation), side, grouped(of.count),
                                     format_time(of.mean)};
      for (const Ps percentile : of.percentiles) cells.push_back(format_time(percentile));
      table.add(std::move(cells));
    };
    row(one.component, one.operation, name_a, one.a);
    row("", "", name_b, one.b);
    const auto change = [](Ps from, Ps to) {
      return change_text(static_cast<double>(from.count()), static_cast<double>(to.count()));
    };
    std::vector<std::string> changes{
        "", "", "", change_text(static_cast<double>(one.a.count), static_cast<double>(one.b.count)),
        change(one.a.mean, one.b.mean)};
    for (std::size_t i = 0; i < one.a.percentiles.size(); ++i)
      changes.push_back(change(one.a.percentiles[i], one.b.percentiles[i]));
    table.add(std::move(changes));
    const KsResult& test = one.test;
    tests.add({one.component, one.operation,
               bounds_text(fmt::format("{:.4f}", test.distance),
                           fmt::format("{:.4f}", test.distance_most)),
               bounds_text(fmt::format("{:.3g}", test.probability),
                           fmt::format("{:.3g}", test.probability_least))});
    within_buckets = within_buckets || !test.exact();
    undecided =
        undecided || (test.probability >= usual_level && test.probability_least < usual_level);
  }
  text += table.text() + tests.text();
  if (within_buckets)
    text += "  from .. to: values moved within buckets of 3 %, where histograms tell no order\n";
  if (undecided) {
    text +=
        "  a p-value from above 0.05 to below it decides nothing: values moved by less than a "
        "bucket "
        "is wide. By how much the means tell, which are exact\n";
  }
}

void append_metrics(std::string& text, const std::vector<MetricDifference>& metrics,
                    const std::string& name_a, const std::string& name_b) {
  TextTable table({"metric", name_a, name_b, "change"}, TextTable::most_rows, all_of_them);
  for (const MetricDifference& one : metrics) {
    table.add(
        {one.component + '.' + one.name, value_text(one.a, one.unit), value_text(one.b, one.unit),
         one.a && one.b ? change_text(static_cast<double>(*one.a), static_cast<double>(*one.b))
                        : "-"});
  }
  text += table.text();
}

void append_violations(std::string& text, const std::vector<ViolationDifference>& violations,
                       const std::string& name_a, const std::string& name_b) {
  constexpr std::size_t most = 3;  // each with the events that led to it
  const auto side = [&](const std::string& name, const std::string& said) {
    text += fmt::format("    {:<8} {}\n", name, said.empty() ? "none" : said);
  };
  for (std::size_t i = 0; i < std::min(most, violations.size()); ++i) {
    text +=
        fmt::format("violation {} of {} differs\n", violations[i].number, violations[i].invariant);
    side(name_a, violations[i].a);
    side(name_b, violations[i].b);
  }
  if (violations.size() > most)
    text +=
        fmt::format("  ... and {} more violations, {}\n", violations.size() - most, all_of_them);
}

}  // namespace

std::string difference_text(const RunDifference& difference, const RunReader& a, const RunReader& b,
                            const std::string& name_a, const std::string& name_b) {
  std::string text;
  if (difference.equal()) return text;
  append_trace(text, difference, a, b, name_a, name_b);
  append_latencies(text, difference.latencies, name_a, name_b);
  append_metrics(text, difference.metrics, name_a, name_b);
  for (const ExpectationDifference& one : difference.expectations)
    text += fmt::format("expected {}: {} against {}\n", one.expected, one.a.empty() ? "-" : one.a,
                        one.b.empty() ? "-" : one.b);
  append_violations(text, difference.violations, name_a, name_b);
  for (const std::string& note : difference.notes) text += fmt::format("note: {}\n", note);
  return text;
}

}  // namespace viosim
