// `viosim diff` and `viosim regress`.
// SPDX-License-Identifier: Apache-2.0
#include "sim/compare/run_compare.hpp"
#include "sim/regress/regress.hpp"
#include "sim/run/numbers.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

// "12 records: 10 same, 2 different"
std::string counts_text(const std::vector<RecordReport>& reports) {
  std::string text;
  for (const Outcome outcome :
       {Outcome::same, Outcome::different, Outcome::missing, Outcome::recorded, Outcome::failed}) {
    const auto count = std::count_if(reports.begin(), reports.end(),
                                     [&](const auto& one) { return one.outcome == outcome; });
    if (count != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name_of(outcome));
  }
  return fmt::format("{}: {}", counted(reports.size(), "record"), text);
}

Value to_json(const RecordReport& report) {
  Value::Object object;
  add(object, "record", report.name);
  add(object, "outcome", name_of(report.outcome));
  add(object, "events", report.events);
  if (report.outcome == Outcome::failed || report.outcome == Outcome::missing)
    add(object, "message", report.text);
  if (!report.not_met.empty()) {
    Value::Array not_met;
    for (const std::string& one : report.not_met) not_met.emplace_back(one);
    add(object, "not_met", std::move(not_met));
  }
  if (report.outcome == Outcome::different) add(object, "difference", report.json);
  return Value(std::move(object));
}

}  // namespace

int diff_verb(const DiffArguments& arguments) {
  RunReader a = RunReader::open(arguments.a);
  RunReader b = RunReader::open(arguments.b);
  const RunDifference difference = compare_runs(a, b, Tolerances{});
  if (arguments.json) {
    fmt::print("{}\n", to_text(difference_json(difference, a, b), Layout::indented));
  } else if (difference.equal()) {
    const TraceDifference& trace = difference.trace;
    fmt::print("equal: {}, {}, {}\n",
               trace.compared ? counted(trace.events_a, "event") : "no events compared",
               counted(a.metrics().size(), "metric"),
               counted(a.latencies().size(), "latency distribution"));
    for (const std::string& note : difference.notes) fmt::print("note: {}\n", note);
  } else {
    fmt::print("A = {}, B = {}\n{}", a.file(), b.file(),
               difference_text(difference, a, b, "A", "B"));
  }
  return difference.equal() ? 0 : 1;
}

int regress_verb(const RegressArguments& arguments) {
  RegressOptions options = arguments.options;
  options.program = std::filesystem::read_symlink("/proc/self/exe");
  const std::vector<RecordReport> reports = regress(arguments.directory, options);
  int code = 0;
  for (const RecordReport& report : reports) code = std::max(code, report.exit_code);
  if (arguments.json) {
    Value::Array list;
    for (const RecordReport& report : reports) list.push_back(to_json(report));
    fmt::print("{}\n", to_text(Value(std::move(list)), Layout::indented));
    return code;
  }
  for (const RecordReport& report : reports) {
    if (!options.update || report.outcome == Outcome::failed) {
      fmt::print("{}: {}, {}\n{}", report.name, name_of(report.outcome),
                 counted(report.events, "event"), report.text);
    }
    fmt::print("{}", not_met_text(report));
  }
  if (options.update) {
    const std::string summary = update_summary(reports);
    fmt::print("{}", summary.empty() ? "no record has changed\n" : summary);
  } else {
    fmt::print("{}\n", counts_text(reports));
  }
  return code;
}

}  // namespace viosim
