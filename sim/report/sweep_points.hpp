// The points of a sweep: parameters, runs, and the samples of every figure.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/sweep/confidence.hpp"
#include "sim/sweep/sweep_tables.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim::report {

class SweepPoints {
 public:
  explicit SweepPoints(SweepTables& tables);

  std::uint64_t runs() const;
  std::uint64_t failed() const;
  // Student's t of 95 % confidence for 1, 2, ... degrees of freedom, as many as all runs have together, at most 1000.
  Value student_json() const;

  // [{"name": ..., "text": [...], "number": [...]}], by point.
  Value parameters_json() const;
  // {"runs": [...], "failed": [...], "unexpected": [...], "unsettled": [...]}, by point; `unsettled` has the numbers
  // of points at which the stop rule was not fulfilled.
  Value::Object points_json() const;
  // [{"name": ..., "unit": ..., "n": [...], "mean": [...], "sd": [...]}], by point; {"name", "unit", "constant"} of
  // what was the same in every run that did not fail. `left_out` gets the names of those beyond most_cells.
  Value figures_json(std::vector<std::string>& left_out) const;

 private:
  using Figure = std::vector<Samples>;  // by point; empty: no run has a value
  // What it was in all runs that did not fail; none: it was not the same, or some of them have no value.
  std::optional<double> constant(const Figure& figure) const;
  Value figure_json(const FigureName& name, const Figure& figure) const;

  SweepTables& tables_;
};

}  // namespace viosim::report
