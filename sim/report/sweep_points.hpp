// The points of a sweep: parameters, runs, and the samples of every figure.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/record/sqlite.hpp"
#include "sim/sweep/confidence.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace viosim::report {

class SweepPoints {
 public:
  // `parameters`: their names, in their order.
  SweepPoints(Connection& connection, const std::vector<std::string>& parameters);

  std::size_t size() const { return runs_.size(); }
  // The place of a point, by its number.
  std::optional<std::size_t> place_of(std::int64_t number) const;
  std::uint64_t failed() const;
  // Student's t of 95 % confidence for 1, 2, ... degrees of freedom, as many as all runs have together, at most 1000.
  Value student_json() const;

  // [{"name": ..., "text": [...], "number": [...]}], by point.
  Value parameters_json() const;
  // {"number": [...], "runs": [...], "failed": [...], "unexpected": [...]}, by point.
  Value::Object points_json() const;
  // [{"name": ..., "unit": ..., "n": [...], "mean": [...], "sd": [...]}], by point; {"name", "unit", "constant"} of
  // what was the same in every run that did not fail. `left_out` gets the names of those beyond most_cells.
  Value figures_json(Connection& connection, std::vector<std::string>& left_out) const;

 private:
  struct Parameter {
    std::string name;
    std::vector<std::string> texts;
    std::vector<std::optional<double>> numbers;
  };
  struct Figure {
    std::string name;
    std::string unit;
    std::vector<Samples> samples;  // by place of the point; empty: no run has a value
  };
  void read_runs(Connection& connection);
  void read_parameters(Connection& connection, const std::vector<std::string>& names);
  std::map<std::int64_t, Figure> read_figures(Connection& connection) const;
  // What it was in all runs that did not fail; none: it was not the same, or some of them have no value.
  std::optional<double> constant(const Figure& figure) const;
  Value figure_json(const Figure& figure) const;

  std::map<std::int64_t, std::size_t> places_;
  std::vector<std::uint64_t> runs_;
  std::vector<std::uint64_t> failed_;
  std::vector<std::uint64_t> unexpected_;
  std::vector<Parameter> parameters_;
};

}  // namespace viosim::report
