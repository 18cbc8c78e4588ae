// Queries, and what is checked of their rows.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_tables.hpp"

#include "core/base/error.hpp"
#include "sim/json/parse.hpp"
#include "sim/json/value.hpp"
#include "sim/run/numbers.hpp"
#include "sim/sweep/sweep_format.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

constexpr std::size_t most_buckets = Histogram::octaves * Histogram::sub_buckets;

Connection open_result(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path))
    throw ConfigError({path.string(), "", "there is no such file; expected the result of a sweep"});
  if (!std::filesystem::is_regular_file(path))
    throw ConfigError({path.string(), "", "is no file; expected the result of a sweep"});
  return {path.string(), Connection::Mode::read, sweep_format::noun};
}

}  // namespace

const char* const not_checked_text =
    "not checked: the sweep has \"checks\": false, so no violation of an invariant was looked for";

std::string unsettled_text(std::uint64_t points) {
  return fmt::format("{} ended at the most replicates without having fulfilled the stop rule",
                     counted(points, "point"));
}

SweepTables::SweepTables(const std::filesystem::path& path) : connection_(open_result(path)) {
  check_format();
  if (format_ >= sweep_format::first_with_digests)
    check_digests(connection_, sweep_format::covered(), format_);
  read_parameters();
  read_points();
  read_cells();
  read_figures();
  if (format_ >= sweep_format::first_with_stop) read_stop();
}

void SweepTables::fail(const std::string& message) const {
  throw ConfigError(
      {connection_.file(), "", fmt::format("the {} is damaged: {}", connection_.noun(), message)});
}

void SweepTables::check_format() {
  if (connection_.integer("PRAGMA application_id") != sweep_format::application_id)
    throw ConfigError({connection_.file(), "", "is not the result of a sweep"});
  format_ = connection_.integer("PRAGMA user_version");
  if (format_ > sweep_format::version) {
    throw ConfigError({connection_.file(), "",
                       fmt::format("has format {}; this program knows up to {}", format_,
                                   sweep_format::version)});
  }
  if (format_ < 1) fail(fmt::format("its format is {}", format_));
}

std::string SweepTables::manifest(const std::string& key) {
  Statement row = connection_.prepare("SELECT value FROM manifest WHERE key = ?");
  row.bind(1, key);
  return row.step() ? std::string(row.text(0)) : "";
}

bool SweepTables::checked() {
  const Value sweep = parse_json(manifest("sweep"), connection_.file());
  const Value::Object* const members = sweep.if_object();
  const Value* const checks = members != nullptr ? find(*members, "checks") : nullptr;
  return checks == nullptr || checks->if_truth() == nullptr || *checks->if_truth();
}

void SweepTables::read_parameters() {
  Statement rows = connection_.prepare("SELECT id, name FROM axis ORDER BY id");
  while (rows.step()) {
    if (rows.count(0, "axis.id") != parameters_.size())
      fail("axes are not numbered 0, 1, 2 ... in table axis");
    parameters_.emplace_back(rows.text(1));
  }
}

void SweepTables::read_points() {
  Statement rows = connection_.prepare(
      "SELECT point, count(*), sum(failed <> 0), sum(failed = 0 AND as_expected = 0) FROM run "
      "GROUP BY point ORDER BY point");
  while (rows.step()) {
    if (rows.count(0, "run.point") != points_.size())
      fail("points are not numbered 0, 1, 2 ... in table run");
    PointRow& point = points_.emplace_back();
    point.runs = rows.count(1, "run");
    point.failed = rows.count(2, "run.failed");
    point.unexpected = rows.count(3, "run.as_expected");
  }
  if (points_.empty()) fail("table run has no rows");
}

void SweepTables::read_cells() {
  const std::size_t width = parameters_.size();
  Statement rows = connection_.prepare(
      "SELECT point, axis, name, text, number FROM parameter ORDER BY point, axis");
  while (rows.step()) {
    const std::size_t axis = rows.index(1, width, "parameter.axis");
    const std::size_t point = rows.index(0, points_.size(), "parameter.point");
    if (point * width + axis != cells_.size() || rows.text(2) != parameters_[axis])
      fail("table parameter does not have each axis once at each point");
    ParameterCell& cell = cells_.emplace_back();
    cell.text = rows.text(3);
    if (!rows.is_null(4)) cell.number = rows.finite(4, "parameter.number");
  }
  if (cells_.size() != points_.size() * width)
    fail("table parameter does not have each axis once at each point");
}

void SweepTables::read_figures() {
  Statement rows =
      connection_.prepare("SELECT id, component || '.' || name, unit FROM figure ORDER BY id");
  while (rows.step()) {
    if (rows.count(0, "figure.id") != figures_.size())
      fail("figures are not numbered 0, 1, 2 ... in table figure");
    figures_.push_back({std::string(rows.text(1)), std::string(rows.text(2))});
  }
}

void SweepTables::read_stop() {
  Statement rows = connection_.prepare("SELECT point, fulfilled FROM stop ORDER BY point");
  while (rows.step())
    points_[rows.index(0, points_.size(), "stop.point")].settled = rows.integer(1) != 0;
}

void SweepTables::for_each_value(const std::function<void(const FigureValue&)>& visit) {
  Statement rows = connection_.prepare(
      "SELECT run.point, run.failed, metric.figure, metric.value FROM metric "
      "LEFT JOIN run USING(run) ORDER BY metric.run, metric.figure");
  while (rows.step()) {
    const std::size_t point = rows.index(0, points_.size(), "the point of a run of table metric");
    const std::size_t figure = rows.index(2, figures_.size(), "metric.figure");
    const double value = rows.finite(3, "metric.value");
    if (rows.integer(1) == 0) visit({point, figure, value});
  }
}

void SweepTables::for_each_histogram(const VisitHistogram& visit) {
  Statement buckets = connection_.prepare(
      "SELECT bucket, count, sum FROM histogram_bucket WHERE histogram = ? ORDER BY bucket");
  Statement rows = connection_.prepare(
      "SELECT id, point, component || '.' || operation, count, min, max FROM histogram "
      "ORDER BY id");
  const auto time = [&](int column, const char* what) {
    return Ps(static_cast<std::int64_t>(rows.count(column, what)));
  };
  const auto read = [&] {
    Histogram histogram;
    const Ps min = time(4, "histogram.min");
    const Ps max = time(5, "histogram.max");
    buckets.bind(1, rows.integer(0));
    while (buckets.step()) {
      histogram.restore(
          buckets.index(0, most_buckets, "histogram_bucket.bucket"),
          {buckets.count(1, "histogram_bucket.count"), buckets.sum(2, "histogram_bucket.sum")}, min,
          max);
    }
    buckets.reset();
    if (histogram.count() != rows.count(3, "histogram.count") || min > max)
      fail("a row of table histogram does not have what its buckets have");
    return histogram;
  };
  while (rows.step())
    visit(rows.index(1, points_.size(), "histogram.point"), std::string(rows.text(2)), read);
}

std::vector<FailureRow> SweepTables::failures() {
  std::vector<FailureRow> all;
  Statement rows = connection_.prepare(
      "SELECT failure.run, run.point, kind, reason, replay FROM failure LEFT JOIN run USING(run) "
      "ORDER BY failure.run");
  while (rows.step()) {
    all.push_back({rows.count(0, "failure.run"),
                   rows.index(1, points_.size(), "the point of a run of table failure"),
                   std::string(rows.text(2)), std::string(rows.text(3)),
                   std::string(rows.text(4))});
  }
  return all;
}

void check_replaceable(const std::filesystem::path& path, const std::string& name) {
  if (std::filesystem::is_regular_file(path) && std::filesystem::is_empty(path)) return;
  Connection connection = open_result(path);
  std::string other;
  if (connection.integer("PRAGMA application_id") == sweep_format::application_id) {
    Statement row = connection.prepare("SELECT value FROM manifest WHERE key = 'name'");
    if (row.step()) other = row.text(0);
  }
  if (other == name) return;
  throw ConfigError(
      {path.string(), "",
       fmt::format("is {}; expected another --out, or its removal",
                   other.empty() ? "another program's database"
                                 : fmt::format("the result of the sweep \"{}\"", other))});
}

}  // namespace viosim
