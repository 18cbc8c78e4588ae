// The rows of a sweep's result, none of which is believed before it is checked.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"
#include "sim/record/sqlite.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct PointRow {
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  std::uint64_t unexpected = 0;  // of those that did not fail
  bool settled = true;           // false: no replicate fulfilled the stop rule
};

// Of a sweep whose runs were not held against the invariants.
extern const char* const not_checked_text;

// "2 points ended at ..."
std::string unsettled_text(std::uint64_t points);

struct ParameterCell {
  std::string text;
  std::optional<double> number;
};

struct FigureName {
  std::string name;  // with its component's path
  std::string unit;
};

struct FailureRow {
  std::uint64_t run = 0;
  std::size_t point = 0;
  std::string kind;
  std::string reason;
  std::string replay;
};

// Points, parameters and figures are numbered 0, 1, 2 ... without gaps, as they are in the file. Opening the file
// checks its digests; files of format 1 have none. Every number that leads to another row is checked when it is
// read, whatever the digests say. What is wrong is a ConfigError that names the file and the table.
class SweepTables {
 public:
  explicit SweepTables(const std::filesystem::path& path);

  std::string manifest(const std::string& key);  // empty: it has no such key
  bool checked();  // whether runs were held against the invariants: `checks` of the sweep
  const std::vector<std::string>& parameters() const { return parameters_; }
  const std::vector<PointRow>& points() const { return points_; }
  const ParameterCell& cell(std::size_t point, std::size_t parameter) const {
    return cells_.at(point * parameters_.size() + parameter);
  }
  const std::vector<FigureName>& figures() const { return figures_; }

  // Of runs that did not fail, in the order of runs and figures.
  struct FigureValue {
    std::size_t point = 0;
    std::size_t figure = 0;
    double value = 0;
  };
  void for_each_value(const std::function<void(const FigureValue&)>& visit);
  // By point, of all of its runs that did not fail; `latency` with its component's path.
  using VisitHistogram = std::function<void(std::size_t point, const std::string& latency,
                                            const std::function<Histogram()>& read)>;
  void for_each_histogram(const VisitHistogram& visit);
  std::vector<FailureRow> failures();

 private:
  [[noreturn]] void fail(const std::string& message) const;
  void check_format();
  void read_points();
  void read_parameters();
  void read_cells();
  void read_figures();
  void read_stop();

  Connection connection_;
  std::vector<std::string> parameters_;
  std::vector<PointRow> points_;
  std::vector<ParameterCell> cells_;
  std::vector<FigureName> figures_;
  std::int64_t format_ = 0;
};

// Whether a sweep of that name may write its result over `path`, which is there. Throws ConfigError: it is the result
// of a sweep with another name, or something else that is not empty.
void check_replaceable(const std::filesystem::path& path, const std::string& name);

}  // namespace viosim
