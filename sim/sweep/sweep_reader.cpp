// Groups, and what is computed of them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_reader.hpp"

#include "core/base/error.hpp"
#include "sim/json/value.hpp"
#include "sim/scenario/component_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace viosim {
namespace {

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
    names_.insert(name);
    bool wanted = patterns_.empty();
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (!patterns_[i].matches(name) && !patterns_[i].leads_to(steps_of(name))) continue;
      wanted = true;
      found_[i] = true;
    }
    return wanted;
  }
  // `none_ended`: no run of the sweep has come to its end, so that nobody knows which names there would be.
  void check(const char* what, bool none_ended) const {
    if (none_ended) return;
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
  std::set<std::string> names_;
};

// The number of each parameter that is grouped by.
std::vector<std::size_t> numbers_of(const std::vector<std::string>& group_by,
                                    const std::vector<std::string>& parameters) {
  std::vector<std::size_t> numbers;
  for (const std::string& name : group_by) {
    if (std::count(group_by.begin(), group_by.end(), name) > 1)
      throw ConfigError(
          {"--group-by", "",
           fmt::format("read {} more than once; expected each parameter once", quote_short(name))});
    const auto found = std::find(parameters.begin(), parameters.end(), name);
    numbers.push_back(static_cast<std::size_t>(found - parameters.begin()));
    if (found != parameters.end()) continue;
    const std::string_view nearest = nearest_name(name, {parameters.begin(), parameters.end()});
    throw ConfigError(
        {"--group-by", "",
         fmt::format("read {}; expected one of the sweep's parameters, \"{}\"{}", quote_short(name),
                     fmt::join(parameters, "\", \""),
                     nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest))});
  }
  return numbers;
}

}  // namespace

std::optional<double> FigureRow::percentile(double part) const {
  if (values.empty()) return std::nullopt;
  const double rank = std::ceil(part * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

std::vector<std::size_t> SweepReader::group_points(const std::vector<std::string>& group_by,
                                                   std::vector<Group>& groups) const {
  const std::vector<std::size_t> parameters = numbers_of(group_by, tables_.parameters());
  std::map<Group, std::size_t> known;
  std::vector<std::size_t> group_of;
  for (std::size_t point = 0; point < tables_.points().size(); ++point) {
    Group key;
    for (const std::size_t parameter : parameters)
      key.push_back(tables_.cell(point, parameter).text);
    const auto [place, is_new] = known.try_emplace(key, groups.size());
    if (is_new) groups.push_back(key);
    group_of.push_back(place->second);
  }
  return group_of;
}

std::set<SweepReader::Group> SweepReader::failed_groups(
    const std::vector<Group>& groups, const std::vector<std::size_t>& group_of) const {
  std::set<Group> failed(groups.begin(), groups.end());
  for (std::size_t point = 0; point < group_of.size(); ++point) {
    const PointRow& row = tables_.points()[point];
    if (row.failed < row.runs) failed.erase(groups[group_of[point]]);
  }
  return failed;
}

std::vector<FigureRow> SweepReader::figures(const std::vector<std::string>& group_by,
                                            const std::vector<std::string>& wanted) {
  std::vector<Group> groups;
  const std::vector<std::size_t> group_of = group_points(group_by, groups);
  Wanted filter(wanted);
  std::vector<FigureRow> kinds;                     // one for each figure that is wanted
  std::vector<std::optional<std::size_t>> kind_of;  // by the figure's number
  for (const FigureName& figure : tables_.figures()) {
    const bool has = filter.has(figure.name);
    kind_of.push_back(has ? std::optional(kinds.size()) : std::nullopt);
    if (has) kinds.push_back({{}, figure.name, figure.unit, {}, {}});
  }
  const std::set<Group> failed = failed_groups(groups, group_of);
  const bool none_ended = failed.size() == groups.size();
  filter.check("a figure", none_ended);
  if (none_ended && kinds.empty()) kinds.emplace_back();
  std::vector<FigureRow> rows;
  for (const Group& group : groups) {
    for (FigureRow kind : kinds) {
      kind.group = group;
      rows.push_back(std::move(kind));
    }
  }
  tables_.for_each_value([&](const SweepTables::FigureValue& one) {
    const auto kind = kind_of[one.figure];
    if (!kind) return;
    FigureRow& row = rows[group_of[one.point] * kinds.size() + *kind];
    row.samples.add(one.value);
    row.values.push_back(one.value);
  });
  for (FigureRow& row : rows) std::sort(row.values.begin(), row.values.end());
  std::erase_if(rows, [&](const FigureRow& row) {
    return row.values.empty() && failed.count(row.group) == 0;
  });
  return rows;
}

std::vector<LatencyGroupRow> SweepReader::latencies(const std::vector<std::string>& group_by,
                                                    const std::vector<std::string>& wanted) {
  std::vector<Group> groups;
  const std::vector<std::size_t> group_of = group_points(group_by, groups);
  Wanted filter(wanted);
  struct Merged {
    Histogram histogram{};
    std::uint64_t runs = 0;
  };
  std::map<std::pair<std::size_t, std::string>, Merged> merged;
  tables_.for_each_histogram([&](std::size_t point, const std::string& name, const auto& read) {
    if (!filter.has(name)) return;
    Merged& one = merged[{group_of[point], name}];
    one.histogram.merge(read());
    one.runs += tables_.points()[point].runs - tables_.points()[point].failed;
  });
  const std::set<Group> failed = failed_groups(groups, group_of);
  const bool none_ended = failed.size() == groups.size();
  filter.check("a latency with its histogram", none_ended);
  std::set<std::string> names;
  for (const auto& [key, one] : merged) names.insert(key.second);
  if (none_ended) names.insert("");
  for (std::size_t group = 0; group < groups.size(); ++group) {
    if (failed.count(groups[group]) == 0) continue;
    for (const std::string& name : names) merged[{group, name}];
  }
  std::vector<std::uint64_t> failed_runs(groups.size());
  for (std::size_t point = 0; point < group_of.size(); ++point)
    failed_runs[group_of[point]] += tables_.points()[point].failed;
  std::vector<LatencyGroupRow> rows;
  rows.reserve(merged.size());
  for (const auto& [key, one] : merged)
    rows.push_back(
        {groups[key.first], key.second, one.histogram, one.runs, failed_runs[key.first]});
  return rows;
}

}  // namespace viosim
