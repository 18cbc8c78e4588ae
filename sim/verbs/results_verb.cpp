// `viosim results`: tables of what a sweep has found.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/value.hpp"
#include "sim/run/numbers.hpp"
#include "sim/run/text_table.hpp"
#include "sim/scenario/amount.hpp"
#include "sim/sweep/sweep_reader.hpp"
#include "sim/sweep/terminal_text.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace viosim {
namespace {

constexpr std::array percentiles = {0.5, 0.9, 0.99, 0.999};   // of latencies
constexpr std::array percentiles_of_runs = {0.5, 0.9, 0.99};  // of a figure, over runs
constexpr std::size_t most_failures = 10;

std::string number_text(double value) { return fmt::format("{}", value); }

std::string value_text(double value, const std::string& unit) {
  if (unit == "ps") return format_time(Ps(std::llround(value)));
  if (unit == "ratio") return amount_text(value, Dimension::ratio);
  if (unit == "bytes" && value >= 0) return fmt::format("{:.6g} B", value);
  if (unit == "/s") return amount_text(value, Dimension::rate);
  if (unit == "bit/s") return amount_text(value, Dimension::bandwidth);
  return fmt::format("{:.6g}", value);
}

// One table, as text or as comma-separated values (RFC 4180).
class Sheet {
 public:
  Sheet(std::vector<std::string> head, bool csv)
      : csv_(csv), table_(shown(head), std::numeric_limits<std::size_t>::max() - 1) {
    if (csv_) add(std::move(head));
  }
  void add(std::vector<std::string> row) {
    if (!csv_) return table_.add(shown(std::move(row)));
    for (std::string& cell : row) cell = quoted(std::move(cell));
    text_ += fmt::format("{}\n", fmt::join(row, ","));
  }
  std::string text() const { return csv_ ? text_ : table_.text(); }

 private:
  static std::vector<std::string> shown(std::vector<std::string> row) {
    for (std::string& cell : row) cell = terminal_text(cell);
    return row;
  }
  static std::string quoted(std::string cell) {
    if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
    std::string all = "\"";
    for (const char c : cell) all += c == '"' ? std::string("\"\"") : std::string(1, c);
    return all + '"';
  }
  bool csv_;
  TextTable table_;
  std::string text_;
};

std::vector<std::string> with(std::vector<std::string> first,
                              const std::vector<std::string>& rest) {
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

// Parameters, then columns. A parameter that is called like a column has another head.
std::vector<std::string> head_of(std::vector<std::string> parameters,
                                 const std::vector<std::string>& columns) {
  for (std::string& name : parameters) {
    if (std::find(columns.begin(), columns.end(), name) != columns.end())
      name.insert(0, "parameter.");
  }
  return with(std::move(parameters), columns);
}

// "a, b" as one writes lists; no parameter's name has blanks.
std::string without_blanks(const std::string& name) {
  const std::size_t first = name.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return name.substr(first, name.find_last_not_of(' ') - first + 1);
}

using Cells = std::vector<std::string>;

// Of what a group has no value of, nothing, or for people a dash.
Cells figure_cells(const FigureRow& row, double confidence, bool csv) {
  const std::string none = csv ? "" : "-";
  const auto text = [&](std::optional<double> value) {
    return !value ? none : csv ? number_text(*value) : value_text(*value, row.unit);
  };
  const Samples& samples = row.samples;
  const auto of_some = [&](double value) {
    return text(samples.count() == 0 ? std::nullopt : std::optional(value));
  };
  Cells cells{std::to_string(samples.count()), of_some(samples.mean()),
              text(samples.half_width(confidence))};
  if (csv) cells.push_back(of_some(samples.deviation()));
  cells.push_back(of_some(samples.min()));
  for (const double p : percentiles_of_runs) cells.push_back(text(row.percentile(p)));
  cells.push_back(of_some(samples.max()));
  return cells;
}

std::string figures_text(const std::vector<FigureRow>& rows, const ResultsArguments& arguments) {
  const bool csv = arguments.csv;
  Sheet sheet(
      head_of(arguments.group_by,
              csv ? Cells{"figure", "unit", "runs", "mean", "half_width", "deviation", "min", "p50",
                          "p90", "p99", "max"}
                  : Cells{"figure", "runs", "mean", "+-", "min", "p50", "p90", "p99", "max"}),
      csv);
  for (const FigureRow& row : rows) {
    const Cells name =
        csv ? Cells{row.figure, row.unit} : Cells{row.figure.empty() ? "-" : row.figure};
    sheet.add(with(row.group, with(name, figure_cells(row, arguments.confidence, csv))));
  }
  return sheet.text();
}

std::string latencies_text(const std::vector<LatencyGroupRow>& rows,
                           const ResultsArguments& arguments) {
  const std::string unit = arguments.csv ? "_ps" : "";
  Sheet sheet(head_of(arguments.group_by,
                      {"latency", "runs", "failed", "count", "mean" + unit, "p50" + unit,
                       "p90" + unit, "p99" + unit, "p99.9" + unit, "max" + unit}),
              arguments.csv);
  const std::string none = arguments.csv ? "" : "-";
  for (const LatencyGroupRow& row : rows) {
    const Histogram& histogram = row.histogram;
    const auto time = [&](Ps value) {
      return histogram.count() == 0 ? none
             : arguments.csv        ? std::to_string(value.count())
                                    : format_time(value);
    };
    std::vector<std::string> cells{row.latency.empty() ? none : row.latency,
                                   std::to_string(row.runs), std::to_string(row.failed),
                                   std::to_string(histogram.count()), time(histogram.mean())};
    for (const double p : percentiles) cells.push_back(time(histogram.percentile(p)));
    cells.push_back(time(histogram.max()));
    sheet.add(with(row.group, cells));
  }
  return sheet.text();
}

std::string failures_text(const std::vector<FailureRow>& failures) {
  if (failures.empty()) return {};
  std::string text = fmt::format("\n{} failed:\n", counted(failures.size(), "run"));
  for (std::size_t i = 0; i < std::min(failures.size(), most_failures); ++i) {
    const FailureRow& failure = failures[i];
    text += fmt::format("  run {}, {}: {}\n    {}\n", failure.run, terminal_text(failure.kind),
                        terminal_text(failure.reason), terminal_text(failure.replay));
  }
  if (failures.size() > most_failures)
    text += fmt::format("  and {} more, in the table failure\n", failures.size() - most_failures);
  return text;
}

// All digits that are needed to tell it from 100 %; 0.57 is 57 and not 56.99999999999999.
std::string percent_text(double confidence) {
  const std::string text = fmt::format("{:.15g}", 100 * confidence);
  return text == "100" ? fmt::format("{}", 100 * confidence) : text;
}

std::string head_text(SweepTables& tables, const ResultsArguments& arguments) {
  std::uint64_t runs = 0;
  std::uint64_t unsettled = 0;
  std::uint64_t unexpected = 0;
  for (const PointRow& point : tables.points()) {
    runs += point.runs;
    unexpected += point.unexpected;
    unsettled += point.settled ? 0 : 1;
  }
  std::string text = fmt::format("{}: {} of {}", terminal_text(tables.manifest("name")),
                                 counted(runs, "run"), counted(tables.points().size(), "point"));
  // Latencies have percentiles and no intervals.
  if (!arguments.latencies)
    text += fmt::format("; means with {} % confidence", percent_text(arguments.confidence));
  text += '\n';
  if (!tables.checked()) text += fmt::format("{}\n", not_checked_text);
  if (unexpected != 0) {
    text += fmt::format("{} not as expected by the scenario: they are in the figures\n",
                        unexpected == 1 ? "1 run was" : grouped(unexpected) + " runs were");
  }
  if (unsettled != 0) text += unsettled_text(unsettled) + '\n';
  return text;
}

}  // namespace

int results_verb(const ResultsArguments& given) {
  SweepReader reader(given.file);
  ResultsArguments arguments = given;
  if (arguments.together && !arguments.group_by.empty()) {
    throw ConfigError(
        {"--group-by", "",
         fmt::format("read {}; expected nothing beside --together, which puts all runs together",
                     quote_short(arguments.group_by.front()))});
  }
  for (std::string& name : arguments.group_by) name = without_blanks(name);
  if (arguments.group_by.empty() && !arguments.together)
    arguments.group_by = reader.tables().parameters();
  if (arguments.csv) {
    fmt::print("{}",
               arguments.latencies
                   ? latencies_text(reader.latencies(arguments.group_by, given.metrics), arguments)
                   : figures_text(reader.figures(arguments.group_by, given.metrics), arguments));
    return 0;
  }
  std::string text = head_text(reader.tables(), arguments);
  if (!arguments.latencies)
    text += '\n' + figures_text(reader.figures(arguments.group_by, given.metrics), arguments);
  if (arguments.latencies || given.metrics.empty()) {
    const std::string latencies =
        latencies_text(reader.latencies(arguments.group_by, given.metrics), arguments);
    if (!latencies.empty())
      text += '\n' + latencies;
    else if (arguments.latencies)
      text += "\nno latencies were kept\n";
  }
  fmt::print("{}{}", text, failures_text(reader.tables().failures()));
  return 0;
}

}  // namespace viosim
