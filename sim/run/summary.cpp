// Lays the summary of a run out in tables.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/summary.hpp"

#include "sim/run/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace viosim {
namespace {

constexpr std::size_t most_rows = 24;  // of a table on the terminal; the database has all

// Columns as wide as they need; the first to the left, the others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }

  std::string text() const {
    std::vector<std::size_t> widths(rows_[0].size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    const std::size_t shown = std::min(rows_.size(), most_rows + 1);
    for (std::size_t r = 0; r < shown; ++r) {
      std::string line = fmt::format("{:<{}}", rows_[r][0], widths[0]);
      for (std::size_t i = 1; i < rows_[r].size(); ++i)
        line += fmt::format("  {:>{}}", rows_[r][i], widths[i]);
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + '\n';
    }
    if (shown < rows_.size())
      text += fmt::format("... and {} more, in the database\n", rows_.size() - shown);
    return text;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-"
                    : fmt::format("{:.2f} %",
                                  100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

// A component's metrics by name.
using Metrics = std::map<std::string, std::uint64_t>;

std::vector<Metrics> by_component(const Results& results, std::size_t components) {
  std::vector<Metrics> all(components);
  for (const MetricValue& metric : results.metrics)
    all[metric.component][metric.name] = metric.value;
  return all;
}

constexpr std::array percentiles = {std::pair{"p50", 0.50}, std::pair{"p90", 0.90},
                                    std::pair{"p99", 0.99}, std::pair{"p99.9", 0.999}};

std::string latency_table(const Results& results, const std::vector<std::string>& components) {
  Table table({"latency", "operation", "count", "mean", "p50", "p90", "p99", "p99.9", "max"});
  for (const LatencyValue& latency : results.latencies) {
    const Histogram& h = *latency.histogram;
    std::vector<std::string> row = {components[latency.component], latency.operation,
                                    grouped(h.count()), format_time(h.mean())};
    for (const auto& [name, p] : percentiles) row.push_back(format_time(h.percentile(p)));
    row.push_back(format_time(h.max()));
    table.add(std::move(row));
  }
  return table.empty() ? "" : table.text();
}

std::string cache_table(const std::vector<Metrics>& metrics,
                        const std::vector<std::string>& components) {
  Table table({"cache", "look-ups", "hits", "hit rate", "inserted", "evicted", "invalidated"});
  for (std::size_t c = 0; c < components.size(); ++c) {
    const Metrics& m = metrics[c];
    if (!m.contains("evictions")) continue;
    const std::uint64_t lookups = m.at("hits") + m.at("misses");
    if (lookups == 0) continue;
    table.add({components[c], grouped(lookups), grouped(m.at("hits")),
               percent(m.at("hits"), lookups), grouped(m.at("insertions")),
               grouped(m.at("evictions")), grouped(m.at("invalidations"))});
  }
  return table.empty() ? "" : table.text();
}

std::string device_table(const std::vector<Metrics>& metrics,
                         const std::vector<std::string>& components) {
  const auto bypassed = [](const Metrics& m) {
    const auto found = m.find("bypassed");
    return found == m.end() ? 0 : found->second;
  };
  const bool any_bypassed = std::any_of(metrics.begin(), metrics.end(), bypassed);
  std::vector<std::string> head = {"device",   "requests", "hits",   "misses",
                                   "hit rate", "faults",   "aborted"};
  if (any_bypassed) head.emplace_back("bypassed");
  Table table(std::move(head));
  for (std::size_t c = 0; c < components.size(); ++c) {
    const Metrics& m = metrics[c];
    if (!m.contains("aborted") || m.at("requests") == 0) continue;
    const std::uint64_t lookups = m.at("hits") + m.at("misses");
    std::vector<std::string> row = {
        components[c],           grouped(m.at("requests")),      grouped(m.at("hits")),
        grouped(m.at("misses")), percent(m.at("hits"), lookups), grouped(m.at("faults")),
        grouped(m.at("aborted"))};
    if (any_bypassed) row.push_back(grouped(bypassed(m)));
    table.add(std::move(row));
  }
  return table.empty() ? "" : table.text();
}

std::string iommu_table(const std::vector<Metrics>& metrics,
                        const std::vector<std::string>& components) {
  Table table({"iommu", "requests", "walks", "table reads", "walks queued", "longest queue",
               "mean wait", "faults"});
  for (std::size_t c = 0; c < components.size(); ++c) {
    const Metrics& m = metrics[c];
    if (!m.contains("walk_reads") || m.at("requests") == 0) continue;
    const std::uint64_t walks = m.at("walks");
    const Ps wait(static_cast<std::int64_t>(walks == 0 ? 0 : m.at("walk_wait") / walks));
    table.add({components[c], grouped(m.at("requests")), grouped(walks),
               grouped(m.at("walk_reads")), grouped(m.at("walks_queued")),
               grouped(m.at("walk_queue_longest")), format_time(wait), grouped(m.at("faults"))});
  }
  return table.empty() ? "" : table.text();
}

std::uint64_t requests_of(const std::vector<Metrics>& metrics) {
  std::uint64_t total = 0;
  for (const Metrics& m : metrics) {
    if (m.contains("walk_reads")) total += m.at("requests");
  }
  return total;
}

std::string rate(std::uint64_t count, double seconds) {
  return rate_text(seconds > 0 ? static_cast<double>(count) / seconds : 0);
}

}  // namespace

std::string summary_text(const RunFacts& facts, const Results& results,
                         const std::vector<std::string>& components) {
  const std::vector<Metrics> metrics = by_component(results, components.size());
  const std::uint64_t requests = requests_of(metrics);
  std::string text = fmt::format("{}: {} of simulated time in {:.3f} s, seed {}\n", facts.name,
                                 format_time(facts.simulated, 6), facts.wall_seconds, facts.seed);
  text += fmt::format("{} ({}), {} ({}), {}\n\n", counted(requests, "translation"),
                      rate(requests, facts.wall_seconds), counted(facts.events, "hardware event"),
                      rate(facts.events, facts.wall_seconds),
                      counted(facts.software_steps, "software step"));
  for (const std::string& table :
       {device_table(metrics, components), cache_table(metrics, components),
        iommu_table(metrics, components), latency_table(results, components)}) {
    if (!table.empty()) text += table + '\n';
  }
  for (const std::string& note : facts.notes) text += note + '\n';
  if (!facts.database.empty()) {
    text += facts.traced ? fmt::format("wrote {} with {}\n", facts.database,
                                       counted(facts.trace_events, "trace event"))
                         : fmt::format("wrote {}, without a trace\n", facts.database);
  }
  return text;
}

Value summary_json(const RunFacts& facts, const Results& results,
                   const std::vector<std::string>& components) {
  Value::Object document;
  add(document, "name", facts.name);
  add(document, "seed", facts.seed);
  add(document, "simulated_ps", facts.simulated.count());
  add(document, "wall_seconds", facts.wall_seconds);
  add(document, "hardware_events", facts.events);
  add(document, "software_steps", facts.software_steps);
  add(document, "database", facts.database);
  add(document, "trace_events", facts.trace_events);
  Value::Object metrics;
  for (const MetricValue& metric : results.metrics) {
    add(metrics, fmt::format("{}.{}", components[metric.component], metric.name), metric.value);
  }
  add(document, "metrics", std::move(metrics));
  Value::Object latencies;
  for (const LatencyValue& latency : results.latencies) {
    const Histogram& h = *latency.histogram;
    Value::Object row;
    add(row, "count", h.count());
    add(row, "mean_ps", h.mean().count());
    add(row, "min_ps", h.min().count());
    for (const auto& [name, p] : percentiles)
      add(row, fmt::format("{}_ps", name), h.percentile(p).count());
    add(row, "max_ps", h.max().count());
    add(latencies, fmt::format("{}.{}", components[latency.component], latency.operation),
        std::move(row));
  }
  add(document, "latencies", std::move(latencies));
  return Value(std::move(document));
}

}  // namespace viosim
