// Reads points and figures, and lays them out by point.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/sweep_points.hpp"

#include "sim/report/gauge.hpp"
#include "sim/report/sweep_report.hpp"

#include <algorithm>
#include <numeric>

namespace viosim::report {
namespace {

constexpr int mean_digits = 8;
constexpr int deviation_digits = 5;

Value numbers_json(const std::vector<std::uint64_t>& numbers) {
  Value::Array all;
  for (const std::uint64_t number : numbers) all.emplace_back(number);
  return Value(std::move(all));
}

}  // namespace

SweepPoints::SweepPoints(Connection& connection, const std::vector<std::string>& parameters) {
  read_runs(connection);
  read_parameters(connection, parameters);
}

void SweepPoints::read_runs(Connection& connection) {
  Statement rows = connection.prepare(
      "SELECT point, count(*), sum(failed), sum(failed = 0 AND as_expected = 0) FROM run "
      "GROUP BY point ORDER BY point");
  while (rows.step()) {
    places_.emplace(rows.integer(0), runs_.size());
    runs_.push_back(static_cast<std::uint64_t>(rows.integer(1)));
    failed_.push_back(static_cast<std::uint64_t>(rows.integer(2)));
    unexpected_.push_back(static_cast<std::uint64_t>(rows.integer(3)));
  }
}

void SweepPoints::read_parameters(Connection& connection, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    Parameter& parameter = parameters_.emplace_back();
    parameter.name = name;
    parameter.texts.resize(size());
    parameter.numbers.resize(size());
    Statement rows = connection.prepare("SELECT point, text, number FROM parameter WHERE name = ?");
    rows.bind(1, name);
    while (rows.step()) {
      const auto place = place_of(rows.integer(0));
      if (!place) continue;
      parameter.texts[*place] = rows.text(1);
      if (!rows.is_null(2)) parameter.numbers[*place] = rows.real(2);
    }
  }
}

std::optional<std::size_t> SweepPoints::place_of(std::int64_t number) const {
  const auto found = places_.find(number);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

std::uint64_t SweepPoints::failed() const {
  return std::accumulate(failed_.begin(), failed_.end(), std::uint64_t{0});
}

Value SweepPoints::student_json() const {
  constexpr std::uint64_t most = 1000;
  const std::uint64_t runs = std::accumulate(runs_.begin(), runs_.end(), std::uint64_t{0});
  Value::Array all;
  for (std::uint64_t freedom = 1; freedom < std::min(runs, most + 1); ++freedom)
    all.push_back(rounded(student_t(0.95, freedom), 6));
  return Value(std::move(all));
}

Value SweepPoints::parameters_json() const {
  Value::Array all;
  for (const Parameter& parameter : parameters_) {
    Value::Array texts;
    Value::Array numbers;
    for (const std::string& text : parameter.texts) texts.emplace_back(text);
    for (const std::optional<double>& number : parameter.numbers)
      numbers.push_back(number ? rounded(*number, 15) : Value());
    Value::Object object;
    add(object, "name", parameter.name);
    add(object, "text", std::move(texts));
    add(object, "number", std::move(numbers));
    all.emplace_back(std::move(object));
  }
  return Value(std::move(all));
}

Value::Object SweepPoints::points_json() const {
  Value::Array numbers;
  for (const auto& [number, place] : places_) numbers.emplace_back(number);
  Value::Object object;
  add(object, "number", std::move(numbers));
  add(object, "runs", numbers_json(runs_));
  add(object, "failed", numbers_json(failed_));
  add(object, "unexpected", numbers_json(unexpected_));
  return object;
}

std::optional<double> SweepPoints::constant(const Figure& figure) const {
  std::optional<double> value;
  for (std::size_t place = 0; place < figure.samples.size(); ++place) {
    const Samples& one = figure.samples[place];
    if (one.count() != runs_[place] - failed_[place]) return std::nullopt;
    if (one.count() == 0) continue;
    if (one.min() != one.max() || one.min() != value.value_or(one.min())) return std::nullopt;
    value = one.min();
  }
  return value;
}

std::map<std::int64_t, SweepPoints::Figure> SweepPoints::read_figures(
    Connection& connection) const {
  std::map<std::int64_t, Figure> figures;
  Statement names =
      connection.prepare("SELECT id, component || '.' || name, unit FROM figure ORDER BY id");
  while (names.step()) {
    figures.emplace(names.integer(0),
                    Figure{std::string(names.text(1)), std::string(names.text(2)), {}});
  }
  Statement values = connection.prepare(
      "SELECT run.point, metric.figure, metric.value FROM metric JOIN run USING(run) "
      "WHERE run.failed = 0 ORDER BY metric.run, metric.figure");
  while (values.step()) {
    const auto place = place_of(values.integer(0));
    const auto figure = figures.find(values.integer(1));
    if (!place || figure == figures.end()) continue;
    std::vector<Samples>& samples = figure->second.samples;
    if (samples.empty()) samples.resize(size());
    samples[*place].add(values.real(2));
  }
  return figures;
}

Value SweepPoints::figure_json(const Figure& figure) const {
  Value::Object object;
  add(object, "name", figure.name);
  add(object, "unit", figure.unit);
  if (const auto same = constant(figure)) {
    add(object, "constant", rounded(*same, 15));
    return Value(std::move(object));
  }
  Value::Array counts;
  Value::Array means;
  Value::Array deviations;
  for (const Samples& one : figure.samples) {
    counts.emplace_back(one.count());
    means.push_back(one.count() == 0 ? Value() : rounded(one.mean(), mean_digits));
    deviations.push_back(rounded(one.deviation(), deviation_digits));
  }
  add(object, "n", std::move(counts));
  add(object, "mean", std::move(means));
  add(object, "sd", std::move(deviations));
  return Value(std::move(object));
}

Value SweepPoints::figures_json(Connection& connection, std::vector<std::string>& left_out) const {
  Value::Array all;
  std::size_t cells = 0;
  for (const auto& [id, figure] : read_figures(connection)) {
    if (figure.samples.empty()) continue;
    if (!constant(figure)) cells += size();
    if (cells > most_cells) {
      left_out.push_back(figure.name);
    } else {
      all.push_back(figure_json(figure));
    }
  }
  return Value(std::move(all));
}

}  // namespace viosim::report
