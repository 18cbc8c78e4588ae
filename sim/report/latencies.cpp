// Histograms as JSON.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/latencies.hpp"

#include "sim/run/text_table.hpp"

#include <algorithm>
#include <utility>

namespace viosim::report {

Value latency_json(const std::string& component, const std::string& operation,
                   const Histogram& histogram) {
  Value::Object object;
  add(object, "component", component);
  add(object, "operation", operation);
  add(object, "count", histogram.count());
  add(object, "min", histogram.min().count());
  add(object, "mean", histogram.mean().count());
  add(object, "max", histogram.max().count());
  Value::Array values;
  Value::Array counts;
  histogram.for_each_bucket([&](std::size_t, const Histogram::Bucket& bucket) {
    values.emplace_back(bucket.mean());
    counts.emplace_back(bucket.count);
  });
  add(object, "x", std::move(values));
  add(object, "n", std::move(counts));
  return Value(std::move(object));
}

Value latencies_json(const std::vector<LatencyRow>& latencies,
                     const std::vector<std::string>& components) {
  std::vector<RowKey> keys;
  keys.reserve(latencies.size());
  for (const LatencyRow& latency : latencies) {
    const bool known = latency.component < components.size();
    keys.push_back(
        {known ? components[latency.component] : "unknown components", latency.operation});
  }
  struct Merged {
    std::string name;
    std::string operation;
    Histogram histogram;
  };
  std::vector<Merged> rows;
  for (const TableRow& one : rows_of(keys)) {
    Merged& row = rows.emplace_back(Merged{one.name, keys[one.members.front()].more, {}});
    for (const std::size_t member : one.members) row.histogram.merge(latencies[member].histogram);
  }
  if (rows.size() > most_latencies) {
    std::stable_sort(rows.begin(), rows.end(), [](const Merged& a, const Merged& b) {
      return a.histogram.count() > b.histogram.count();
    });
    rows.resize(most_latencies);
  }
  Value::Array all;
  for (const Merged& row : rows)
    all.push_back(latency_json(row.name, row.operation, row.histogram));
  return Value(std::move(all));
}

}  // namespace viosim::report
