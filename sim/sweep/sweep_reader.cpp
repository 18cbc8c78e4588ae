// Queries, and what is computed from their rows.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_reader.hpp"

#include "core/base/error.hpp"
#include "sim/json/value.hpp"
#include "sim/scenario/component_path.hpp"
#include "sim/sweep/sweep_database.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace viosim {
namespace {

Connection open_result(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path))
    throw ConfigError({path.string(), "", "there is no such file; expected the result of a sweep"});
  Connection connection(path.string(), Connection::Mode::read);
  if (connection.integer("PRAGMA application_id") != sweep_format::application_id)
    throw ConfigError({path.string(), "", "is not the result of a sweep"});
  const std::int64_t version = connection.integer("PRAGMA user_version");
  if (version > sweep_format::version) {
    throw ConfigError({path.string(), "",
                       fmt::format("has format {}; this program knows up to {}", version,
                                   sweep_format::version)});
  }
  return connection;
}

// What the user wants of the names that there are.
class Wanted {
 public:
  explicit Wanted(const std::vector<std::string>& texts) : texts_(texts), found_(texts.size()) {
    for (const std::string& text : texts) {
      const auto pattern = PathPattern::parse(text);
      if (!pattern)
        throw ConfigError({"--metric", "",
                           fmt::format("read {}; expected a figure such as "
                                       "\"host0.dmar0.iotlb.hit_rate\", or what it begins with",
                                       quote_short(text))});
      patterns_.push_back(*pattern);
    }
  }
  bool has(const std::string& name) {
    names_.push_back(name);
    bool wanted = patterns_.empty();
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (!patterns_[i].matches(name) && !patterns_[i].leads_to(steps_of(name))) continue;
      wanted = true;
      found_[i] = true;
    }
    return wanted;
  }
  void check(const char* what) const {
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (found_[i]) continue;
      const std::string_view nearest = nearest_name(texts_[i], {names_.begin(), names_.end()});
      throw ConfigError(
          {"--metric", "",
           fmt::format("read {}; expected {} that the sweep kept{}", quote_short(texts_[i]), what,
                       nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest))});
    }
  }

 private:
  const std::vector<std::string>& texts_;
  std::vector<PathPattern> patterns_;
  std::vector<bool> found_;
  std::vector<std::string> names_;
};

}  // namespace

SweepReader::SweepReader(const std::filesystem::path& path) : connection_(open_result(path)) {
  Statement rows = connection_.prepare("SELECT name FROM axis ORDER BY id");
  while (rows.step()) parameters_.emplace_back(rows.text(0));
}

std::string SweepReader::manifest(const std::string& key) {
  Statement row = connection_.prepare("SELECT value FROM manifest WHERE key = ?");
  row.bind(1, key);
  return row.step() ? std::string(row.text(0)) : "";
}

std::uint64_t SweepReader::runs() {
  return static_cast<std::uint64_t>(connection_.integer("SELECT count(*) FROM run"));
}

std::uint64_t SweepReader::points() {
  return static_cast<std::uint64_t>(connection_.integer("SELECT count(DISTINCT point) FROM run"));
}

void SweepReader::check_parameters(const std::vector<std::string>& group_by) const {
  for (const std::string& name : group_by) {
    if (std::find(parameters_.begin(), parameters_.end(), name) != parameters_.end()) continue;
    const std::string_view nearest = nearest_name(name, {parameters_.begin(), parameters_.end()});
    throw ConfigError(
        {"--group-by", "",
         fmt::format("read {}; expected one of the sweep's parameters, \"{}\"{}", quote_short(name),
                     fmt::join(parameters_, "\", \""),
                     nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest))});
  }
}

std::vector<std::size_t> SweepReader::group_points(const std::vector<std::string>& group_by,
                                                   std::vector<Group>& groups) {
  check_parameters(group_by);
  const std::int64_t points = connection_.integer("SELECT max(point) + 1 FROM run");
  std::vector<Group> keys(static_cast<std::size_t>(points), Group(group_by.size()));
  Statement rows = connection_.prepare("SELECT point, name, text FROM parameter");
  while (rows.step()) {
    const auto column = std::find(group_by.begin(), group_by.end(), rows.text(1));
    if (column == group_by.end()) continue;
    keys[static_cast<std::size_t>(rows.integer(0))]
        [static_cast<std::size_t>(column - group_by.begin())] = rows.text(2);
  }
  std::map<Group, std::size_t> known;
  std::vector<std::size_t> group_of;
  for (const Group& key : keys) {
    const auto [place, is_new] = known.try_emplace(key, groups.size());
    if (is_new) groups.push_back(key);
    group_of.push_back(place->second);
  }
  return group_of;
}

std::vector<FigureRow> SweepReader::figures(const std::vector<std::string>& group_by,
                                            const std::vector<std::string>& wanted) {
  std::vector<Group> groups;
  const std::vector<std::size_t> group_of = group_points(group_by, groups);
  Wanted filter(wanted);
  std::vector<FigureRow> kinds;                     // one for each figure that is wanted
  std::vector<std::optional<std::size_t>> kind_of;  // by the figure's id
  Statement names =
      connection_.prepare("SELECT component || '.' || name, unit FROM figure ORDER BY id");
  while (names.step()) {
    const std::string name(names.text(0));
    const bool has = filter.has(name);
    kind_of.push_back(has ? std::optional(kinds.size()) : std::nullopt);
    if (has) kinds.push_back({{}, name, std::string(names.text(1)), {}});
  }
  filter.check("a figure");
  std::vector<FigureRow> rows;
  for (const Group& group : groups) {
    for (FigureRow kind : kinds) {
      kind.group = group;
      rows.push_back(std::move(kind));
    }
  }
  Statement values = connection_.prepare(
      "SELECT run.point, metric.figure, metric.value FROM metric JOIN run USING(run) "
      "WHERE run.failed = 0 ORDER BY metric.run, metric.figure");
  while (values.step()) {
    const auto kind = kind_of[static_cast<std::size_t>(values.integer(1))];
    const std::size_t group = group_of[static_cast<std::size_t>(values.integer(0))];
    if (kind) rows[group * kinds.size() + *kind].samples.add(values.real(2));
  }
  std::erase_if(rows, [](const FigureRow& row) { return row.samples.count() == 0; });
  return rows;
}

std::vector<LatencyGroupRow> SweepReader::latencies(const std::vector<std::string>& group_by,
                                                    const std::vector<std::string>& wanted) {
  std::vector<Group> groups;
  const std::vector<std::size_t> group_of = group_points(group_by, groups);
  Wanted filter(wanted);
  std::map<std::pair<std::size_t, std::string>, Histogram> merged;
  Statement buckets = connection_.prepare(
      "SELECT bucket, count, sum FROM histogram_bucket WHERE histogram = ? ORDER BY bucket");
  Statement histograms = connection_.prepare(
      "SELECT id, point, component || '.' || operation, min, max FROM histogram ORDER BY id");
  while (histograms.step()) {
    const std::string name(histograms.text(2));
    if (!filter.has(name)) continue;
    Histogram one;
    buckets.bind(1, histograms.integer(0));
    while (buckets.step()) {
      one.restore(static_cast<std::size_t>(buckets.integer(0)),
                  {static_cast<std::uint64_t>(buckets.integer(1)),
                   static_cast<std::uint64_t>(buckets.integer(2))},
                  Ps(histograms.integer(3)), Ps(histograms.integer(4)));
    }
    buckets.reset();
    merged[{group_of[static_cast<std::size_t>(histograms.integer(1))], name}].merge(one);
  }
  std::vector<LatencyGroupRow> rows;
  rows.reserve(merged.size());
  for (const auto& [key, histogram] : merged)
    rows.push_back({groups[key.first], key.second, histogram});
  return rows;
}

std::vector<FailureRow> SweepReader::failures() {
  std::vector<FailureRow> all;
  Statement rows =
      connection_.prepare("SELECT run, kind, reason, replay FROM failure ORDER BY run");
  while (rows.step()) {
    all.push_back({static_cast<std::uint64_t>(rows.integer(0)), std::string(rows.text(1)),
                   std::string(rows.text(2)), std::string(rows.text(3))});
  }
  return all;
}

}  // namespace viosim
