// Puts gauges into rows.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/lanes.hpp"

#include "sim/run/text_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim::report {
namespace {

Value lane(const TimeGrid& grid, std::string name, const Gauge& gauge) {
  Value content = gauge.json(grid);
  Value::Object object;
  add(object, "name", std::move(name));
  for (Value::Member& member : *content.if_object()) object.push_back(std::move(member));
  return Value(std::move(object));
}

}  // namespace

Value lanes_json(const TimeGrid& grid, const std::vector<NamedGauge>& gauges) {
  std::vector<RowKey> keys;
  keys.reserve(gauges.size());
  for (const NamedGauge& gauge : gauges) keys.push_back({gauge.name, ""});
  const std::vector<TableRow> rows = rows_of(keys);
  const std::size_t alone = rows.size() <= most_lanes ? rows.size() : most_lanes - 1;
  Value::Array lanes;
  Gauge others;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Gauge together;
    Gauge& into = i < alone ? together : others;
    for (const std::size_t member : rows[i].members) into.merge(grid, *gauges[member].gauge);
    if (i < alone) lanes.push_back(lane(grid, rows[i].name, together));
  }
  if (alone < rows.size())
    lanes.push_back(lane(grid, fmt::format("{} others", rows.size() - alone), others));
  return Value(std::move(lanes));
}

Gauge& ComponentGauges::of(std::uint32_t component) {
  const std::size_t place = std::min<std::size_t>(component, known_);
  if (place >= gauges_.size()) {
    gauges_.resize(place + 1);
    used_.resize(place + 1);
  }
  used_[place] = true;
  return gauges_[place];
}

Value ComponentGauges::json(const std::vector<std::string>& components) const {
  std::vector<NamedGauge> named;
  for (std::size_t c = 0; c < gauges_.size(); ++c) {
    if (!used_[c]) continue;
    named.push_back({c < components.size() ? components[c] : "unknown components", &gauges_[c]});
  }
  return lanes_json(grid_, named);
}

}  // namespace viosim::report
