// Lays tables out, and puts components into groups.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/text_table.hpp"

#include "sim/run/numbers.hpp"
#include "sim/scenario/component_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace viosim {
namespace {

// Of UTF-8, where a character's first byte is the one that does not continue another.
std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

// "host0.vm[3].acc[0]" -> "host0.vm[*].acc[*]".
std::string without_indices(const std::string& path) {
  std::string text;
  for (const PathStep& step : steps_of(path)) {
    if (!text.empty()) text += '.';
    text += step.name;
    if (!step.index.empty()) text += "[*]";
  }
  return text;
}

}  // namespace

Metrics together(const std::vector<Metrics>& metrics, const std::vector<std::size_t>& components) {
  Metrics sum;
  for (const std::size_t component : components) {
    for (const auto& [name, value] : metrics[component]) {
      std::uint64_t& into = sum[name];
      into = name.find("longest") != std::string::npos ? std::max(into, value) : into + value;
    }
  }
  return sum;
}

std::string TextTable::text() const {
  if (rows_.size() == 1) return {};
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], characters_of(row[i]));
  }
  std::string text;
  const std::size_t shown = std::min(rows_.size() - 1, most_) + 1;
  for (std::size_t r = 0; r < shown; ++r) {
    std::string line = fmt::format("{:<{}}", rows_[r][0], widths[0]);
    for (std::size_t i = 1; i < rows_[r].size(); ++i)
      line += fmt::format("  {:>{}}", rows_[r][i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  if (shown < rows_.size())
    text += fmt::format("... and {} more, {}\n", rows_.size() - shown, rest_);
  return text;
}

std::vector<TableRow> rows_of(const std::vector<RowKey>& keys) {
  std::vector<TableRow> rows;
  if (keys.size() <= TextTable::most_rows) {
    for (std::size_t i = 0; i < keys.size(); ++i) rows.push_back({keys[i].path, {i}});
    return rows;
  }
  std::map<std::pair<std::string, std::string>, std::size_t> known;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string name = without_indices(keys[i].path);
    const auto [row, is_new] = known.try_emplace({name, keys[i].more}, rows.size());
    if (is_new) rows.push_back({name, {}});
    rows[row->second].members.push_back(i);
  }
  for (TableRow& row : rows) {
    if (row.members.size() == 1) {
      row.name = keys[row.members.front()].path;
    } else {
      row.name += fmt::format(" ({})", grouped(row.members.size()));
    }
  }
  return rows;
}

std::vector<Metrics> metrics_by_component(const Results& results, std::size_t components) {
  std::vector<Metrics> all(components);
  for (const MetricValue& metric : results.metrics)
    all[metric.component][metric.name] = metric.value;
  return all;
}

std::string metrics_table(std::vector<std::string> head, const std::vector<Metrics>& metrics,
                          const std::vector<std::string>& components,
                          const std::function<bool(const Metrics&)>& shown,
                          const std::function<std::vector<std::string>(const Metrics&)>& row) {
  std::vector<std::size_t> which;
  std::vector<RowKey> keys;
  for (std::size_t c = 0; c < components.size(); ++c) {
    if (!shown(metrics[c])) continue;
    which.push_back(c);
    keys.push_back({components[c], ""});
  }
  TextTable table(std::move(head));
  for (const TableRow& one : rows_of(keys)) {
    std::vector<std::size_t> members;
    for (const std::size_t member : one.members) members.push_back(which[member]);
    std::vector<std::string> cells = row(together(metrics, members));
    cells.insert(cells.begin(), one.name);
    table.add(std::move(cells));
  }
  return table.text();
}

}  // namespace viosim
