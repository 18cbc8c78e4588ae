// Lays points and figures out by point.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/sweep_points.hpp"

#include "sim/report/gauge.hpp"
#include "sim/report/sweep_report.hpp"

#include <algorithm>

namespace viosim::report {
namespace {

constexpr int mean_digits = 8;
constexpr int deviation_digits = 5;

}  // namespace

SweepPoints::SweepPoints(SweepTables& tables) : tables_(tables) {}

std::uint64_t SweepPoints::runs() const {
  std::uint64_t runs = 0;
  for (const PointRow& point : tables_.points()) runs += point.runs;
  return runs;
}

std::uint64_t SweepPoints::failed() const {
  std::uint64_t failed = 0;
  for (const PointRow& point : tables_.points()) failed += point.failed;
  return failed;
}

Value SweepPoints::student_json() const {
  constexpr std::uint64_t most = 1000;
  const std::uint64_t all_runs = runs();
  Value::Array all;
  for (std::uint64_t freedom = 1; freedom < std::min(all_runs, most + 1); ++freedom)
    all.push_back(rounded(student_t(0.95, freedom), 6));
  return Value(std::move(all));
}

Value SweepPoints::parameters_json() const {
  Value::Array all;
  for (std::size_t p = 0; p < tables_.parameters().size(); ++p) {
    Value::Array texts;
    Value::Array numbers;
    for (std::size_t point = 0; point < tables_.points().size(); ++point) {
      const ParameterCell& cell = tables_.cell(point, p);
      texts.emplace_back(cell.text);
      numbers.push_back(cell.number ? rounded(*cell.number, 15) : Value());
    }
    Value::Object object;
    add(object, "name", tables_.parameters()[p]);
    add(object, "text", std::move(texts));
    add(object, "number", std::move(numbers));
    all.emplace_back(std::move(object));
  }
  return Value(std::move(all));
}

Value::Object SweepPoints::points_json() const {
  Value::Array runs;
  Value::Array failed;
  Value::Array unexpected;
  Value::Array unsettled;
  for (std::size_t number = 0; number < tables_.points().size(); ++number) {
    const PointRow& point = tables_.points()[number];
    runs.emplace_back(point.runs);
    failed.emplace_back(point.failed);
    unexpected.emplace_back(point.unexpected);
    if (!point.settled) unsettled.emplace_back(number);
  }
  Value::Object object;
  add(object, "runs", std::move(runs));
  add(object, "failed", std::move(failed));
  add(object, "unexpected", std::move(unexpected));
  add(object, "unsettled", std::move(unsettled));
  return object;
}

std::optional<double> SweepPoints::constant(const Figure& figure) const {
  std::optional<double> value;
  for (std::size_t number = 0; number < figure.size(); ++number) {
    const Samples& one = figure[number];
    const PointRow& point = tables_.points()[number];
    if (one.count() != point.runs - point.failed) return std::nullopt;
    if (one.count() == 0) continue;
    if (one.min() != one.max() || one.min() != value.value_or(one.min())) return std::nullopt;
    value = one.min();
  }
  return value;
}

Value SweepPoints::figure_json(const FigureName& name, const Figure& figure) const {
  Value::Object object;
  add(object, "name", name.name);
  add(object, "unit", name.unit);
  if (const auto same = constant(figure)) {
    add(object, "constant", rounded(*same, 15));
    return Value(std::move(object));
  }
  Value::Array counts;
  Value::Array means;
  Value::Array deviations;
  for (const Samples& one : figure) {
    counts.emplace_back(one.count());
    means.push_back(one.count() == 0 ? Value() : rounded(one.mean(), mean_digits));
    deviations.push_back(rounded(one.deviation(), deviation_digits));
  }
  add(object, "n", std::move(counts));
  add(object, "mean", std::move(means));
  add(object, "sd", std::move(deviations));
  return Value(std::move(object));
}

Value SweepPoints::figures_json(std::vector<std::string>& left_out) const {
  const std::size_t points = tables_.points().size();
  std::vector<Figure> figures(tables_.figures().size());
  tables_.for_each_value([&](const SweepTables::FigureValue& one) {
    Figure& figure = figures[one.figure];
    if (figure.empty()) figure.resize(points);
    figure[one.point].add(one.value);
  });
  Value::Array all;
  std::size_t cells = 0;
  for (std::size_t number = 0; number < figures.size(); ++number) {
    const Figure& figure = figures[number];
    const FigureName& name = tables_.figures()[number];
    if (figure.empty()) continue;
    if (!constant(figure)) cells += points;
    if (cells > most_cells) {
      left_out.push_back(name.name);
    } else {
      all.push_back(figure_json(name, figure));
    }
  }
  return Value(std::move(all));
}

}  // namespace viosim::report
