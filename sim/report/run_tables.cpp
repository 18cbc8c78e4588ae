// Which components make up which table, and its columns.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/run_tables.hpp"

#include "sim/report/gauge.hpp"
#include "sim/run/text_table.hpp"

namespace viosim::report {
namespace {

// Columns are a metric, or a part of a sum of metrics.
struct Column {
  const char* name;
  const char* unit;
  std::vector<const char*> metrics;  // added up
  std::vector<const char*> of = {};  // what they are a part of; empty: no part
};

struct Table {
  const char* id;
  const char* title;
  std::vector<const char*> needed;   // metrics that every component in it has
  std::vector<const char*> nonzero;  // of these the sum
  std::vector<Column> columns;
};

const std::vector<Table> all_tables = {{"devices",
                                        "Devices",
                                        {"aborted", "misses", "requests"},
                                        {"requests"},
                                        {{"requests", "count", {"requests"}},
                                         {"hits", "count", {"hits"}},
                                         {"misses", "count", {"misses"}},
                                         {"hit rate", "ratio", {"hits"}, {"hits", "misses"}},
                                         {"faults", "count", {"faults"}},
                                         {"aborted", "count", {"aborted"}}}},
                                       {"caches",
                                        "Caches",
                                        {"evictions", "hits", "misses"},
                                        {"hits", "misses"},
                                        {{"look-ups", "count", {"hits", "misses"}},
                                         {"hits", "count", {"hits"}},
                                         {"hit rate", "ratio", {"hits"}, {"hits", "misses"}},
                                         {"inserted", "count", {"insertions"}},
                                         {"evicted", "count", {"evictions"}},
                                         {"invalidated", "count", {"invalidations"}}}},
                                       {"iommus",
                                        "IOMMUs",
                                        {"walk_reads", "requests"},
                                        {"requests"},
                                        {{"requests", "count", {"requests"}},
                                         {"walks", "count", {"walks"}},
                                         {"table reads", "count", {"walk_reads"}},
                                         {"walks queued", "count", {"walks_queued"}},
                                         {"longest queue", "count", {"walk_queue_longest"}},
                                         {"mean wait", "ps", {"walk_wait"}, {"walks"}},
                                         {"faults", "count", {"faults"}}}},
                                       {"locks",
                                        "Locks",
                                        {"contended", "taken"},
                                        {"taken"},
                                        {{"taken", "count", {"taken"}},
                                         {"contended", "count", {"contended"}},
                                         {"share contended", "ratio", {"contended"}, {"taken"}},
                                         {"waited", "ps", {"waited"}},
                                         {"longest wait", "ps", {"longest_wait"}},
                                         {"held", "ps", {"held"}},
                                         {"mean hold", "ps", {"held"}, {"taken"}}}},
                                       {"processes",
                                        "Processes",
                                        {"work_failed"},
                                        {"started"},
                                        {{"started", "count", {"started"}},
                                         {"finished", "count", {"finished"}},
                                         {"rounds", "count", {"rounds"}},
                                         {"work failed", "count", {"work_failed"}},
                                         {"calls failed", "count", {"failed"}},
                                         {"unmaps", "count", {"unmaps"}},
                                         {"page faults", "count", {"faults"}}}},
                                       {"guests",
                                        "Guests",
                                        {"kernel_exits"},
                                        {"booted"},
                                        {{"booted", "count", {"booted"}},
                                         {"panics", "count", {"panics"}},
                                         {"errors", "count", {"errors"}},
                                         {"exits", "count", {"kernel_exits", "user_exits"}},
                                         {"to user", "count", {"user_exits"}},
                                         {"kicks", "count", {"kicks"}},
                                         {"ioctls", "count", {"ioctls"}},
                                         {"events", "count", {"eventfds"}},
                                         {"injected", "count", {"injected"}}}},
                                       {"migrations",
                                        "Migrations",
                                        {"kept_pasids", "migrations"},
                                        {"migrations"},
                                        {{"moved", "count", {"moved"}},
                                         {"stayed", "count", {"stayed"}},
                                         {"total", "ps", {"total"}},
                                         {"downtime", "ps", {"downtime"}},
                                         {"rounds", "count", {"rounds"}},
                                         {"bytes", "bytes", {"bytes"}},
                                         {"rebinds", "count", {"rebinds"}},
                                         {"work", "count", {"moved_work"}}}}};

double sum_of(const Metrics& metrics, const std::vector<const char*>& names) {
  double sum = 0;
  for (const char* name : names) {
    const auto found = metrics.find(name);
    if (found != metrics.end()) sum += static_cast<double>(found->second);
  }
  return sum;
}

Value cell(const Column& column, const Metrics& metrics) {
  const double value = sum_of(metrics, column.metrics);
  if (column.of.empty()) return rounded(value, 15);
  const double whole = sum_of(metrics, column.of);
  return whole == 0 ? Value() : rounded(value / whole, 8);
}

bool belongs(const Table& table, const Metrics& metrics) {
  for (const char* name : table.needed) {
    if (!metrics.contains(name)) return false;
  }
  return sum_of(metrics, table.nonzero) > 0;
}

Value::Object column_json(const char* name, const char* unit) {
  Value::Object object;
  add(object, "name", name);
  add(object, "unit", unit);
  return object;
}

Value table_json(const Table& table, const std::vector<Metrics>& metrics,
                 const std::vector<std::string>& components) {
  Value::Object object;
  add(object, "id", table.id);
  add(object, "title", table.title);
  Value::Array columns;
  columns.emplace_back(column_json("component", "text"));
  for (const Column& column : table.columns)
    columns.emplace_back(column_json(column.name, column.unit));
  add(object, "columns", std::move(columns));
  std::vector<std::size_t> which;
  std::vector<RowKey> keys;
  for (std::size_t c = 0; c < components.size(); ++c) {
    if (!belongs(table, metrics[c])) continue;
    which.push_back(c);
    keys.push_back({components[c], ""});
  }
  Value::Array rows;
  for (const TableRow& one : rows_of(keys)) {
    std::vector<std::size_t> members;
    for (const std::size_t member : one.members) members.push_back(which[member]);
    const Metrics sum = together(metrics, members);
    Value::Array row;
    row.emplace_back(one.name);
    for (const Column& column : table.columns) row.push_back(cell(column, sum));
    rows.emplace_back(std::move(row));
  }
  add(object, "rows", std::move(rows));
  return Value(std::move(object));
}

}  // namespace

Value tables_json(const std::vector<MetricRow>& metrics,
                  const std::vector<std::string>& components) {
  std::vector<Metrics> by_component(components.size());
  for (const MetricRow& metric : metrics) {
    if (metric.component < components.size())
      by_component[metric.component][metric.name] = static_cast<std::uint64_t>(metric.value);
  }
  Value::Array all;
  for (const Table& table : all_tables) {
    Value json = table_json(table, by_component, components);
    if (!find(*json.if_object(), "rows")->if_array()->empty()) all.push_back(std::move(json));
  }
  return Value(std::move(all));
}

Value counters_json(const std::vector<MetricRow>& metrics,
                    const std::vector<std::string>& components) {
  Value::Array rows;
  std::uint64_t total = 0;
  for (const MetricRow& metric : metrics) {
    if (metric.value == 0 || metric.component >= components.size()) continue;
    if (++total > most_counters) continue;
    Value::Array row;
    row.emplace_back(components[metric.component]);
    row.emplace_back(metric.name);
    row.emplace_back(name_of(metric.unit));
    row.emplace_back(metric.value);
    rows.emplace_back(std::move(row));
  }
  Value::Object object;
  add(object, "total", total);
  add(object, "rows", std::move(rows));
  return Value(std::move(object));
}

}  // namespace viosim::report
