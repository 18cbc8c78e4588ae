// Lays the summary of a run out in tables.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/summary.hpp"

#include "sim/run/numbers.hpp"
#include "sim/run/text_table.hpp"
#include "sim/scenario/amount.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace viosim {
namespace {

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-"
                    : amount_text(static_cast<double>(part) / static_cast<double>(whole),
                                  Dimension::ratio);
}

constexpr std::array percentiles = {std::pair{"p50", 0.50}, std::pair{"p90", 0.90},
                                    std::pair{"p99", 0.99}, std::pair{"p99.9", 0.999}};

std::string latency_table(const Results& results, const std::vector<std::string>& components) {
  TextTable table({"latency", "operation", "count", "mean", "p50", "p90", "p99", "p99.9", "max"});
  std::vector<RowKey> keys;
  for (const LatencyValue& latency : results.latencies)
    keys.push_back({components[latency.component], latency.operation});
  for (const TableRow& one : rows_of(keys)) {
    Histogram h;
    for (const std::size_t member : one.members) h.merge(*results.latencies[member].histogram);
    std::vector<std::string> row = {one.name, keys[one.members.front()].more, grouped(h.count()),
                                    format_time(h.mean())};
    for (const auto& [name, p] : percentiles) row.push_back(format_time(h.percentile(p)));
    row.push_back(format_time(h.max()));
    table.add(std::move(row));
  }
  return table.text();
}

std::string cache_table(const std::vector<Metrics>& metrics,
                        const std::vector<std::string>& components) {
  return metrics_table(
      {"cache", "look-ups", "hits", "hit rate", "inserted", "evicted", "invalidated"}, metrics,
      components,
      [](const Metrics& m) { return m.contains("evictions") && m.at("hits") + m.at("misses") > 0; },
      [](const Metrics& m) -> std::vector<std::string> {
        const std::uint64_t lookups = m.at("hits") + m.at("misses");
        return {grouped(lookups),
                grouped(m.at("hits")),
                percent(m.at("hits"), lookups),
                grouped(m.at("insertions")),
                grouped(m.at("evictions")),
                grouped(m.at("invalidations"))};
      });
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
  return metrics_table(
      std::move(head), metrics, components,
      [](const Metrics& m) {
        return m.contains("aborted") && m.contains("misses") && m.at("requests") > 0;
      },
      [&](const Metrics& m) {
        const std::uint64_t lookups = m.at("hits") + m.at("misses");
        std::vector<std::string> row = {grouped(m.at("requests")), grouped(m.at("hits")),
                                        grouped(m.at("misses")),   percent(m.at("hits"), lookups),
                                        grouped(m.at("faults")),   grouped(m.at("aborted"))};
        if (any_bypassed) row.push_back(grouped(bypassed(m)));
        return row;
      });
}

std::string iommu_table(const std::vector<Metrics>& metrics,
                        const std::vector<std::string>& components) {
  return metrics_table(
      {"iommu", "requests", "walks", "table reads", "walks queued", "longest queue", "mean wait",
       "faults"},
      metrics, components,
      [](const Metrics& m) { return m.contains("walk_reads") && m.at("requests") > 0; },
      [](const Metrics& m) -> std::vector<std::string> {
        const std::uint64_t walks = m.at("walks");
        const Ps wait(static_cast<std::int64_t>(walks == 0 ? 0 : m.at("walk_wait") / walks));
        return {grouped(m.at("requests")),
                grouped(walks),
                grouped(m.at("walk_reads")),
                grouped(m.at("walks_queued")),
                grouped(m.at("walk_queue_longest")),
                format_time(wait),
                grouped(m.at("faults"))};
      });
}

std::string fault_table(const Results& results, const std::vector<std::string>& components) {
  TextTable table({"refused requests", "number"});
  for (const MetricValue& metric : results.metrics) {
    if (metric.meaning.empty()) continue;
    table.add({fmt::format("{}.{}: {}", components[metric.component], metric.name, metric.meaning),
               grouped(metric.value)});
  }
  return table.text();
}

std::string process_table(const std::vector<Metrics>& metrics,
                          const std::vector<std::string>& components) {
  return metrics_table(
      {"processes", "started", "finished", "rounds", "work failed", "calls failed", "unmaps",
       "page faults"},
      metrics, components, [](const Metrics& m) { return m.contains("work_failed"); },
      [](const Metrics& m) -> std::vector<std::string> {
        return {grouped(m.at("started")),     grouped(m.at("finished")), grouped(m.at("rounds")),
                grouped(m.at("work_failed")), grouped(m.at("failed")),   grouped(m.at("unmaps")),
                grouped(m.at("faults"))};
      });
}

std::string guest_table(const std::vector<Metrics>& metrics,
                        const std::vector<std::string>& components) {
  return metrics_table(
      {"guest", "booted", "panics", "errors", "exits", "to user", "kicks", "ioctls", "events",
       "injected"},
      metrics, components, [](const Metrics& m) { return m.contains("kernel_exits"); },
      [](const Metrics& m) -> std::vector<std::string> {
        return {grouped(m.at("booted")),     grouped(m.at("panics")),
                grouped(m.at("errors")),     grouped(m.at("kernel_exits") + m.at("user_exits")),
                grouped(m.at("user_exits")), grouped(m.at("kicks")),
                grouped(m.at("ioctls")),     grouped(m.at("eventfds")),
                grouped(m.at("injected"))};
      });
}

std::string migration_table(const std::vector<Metrics>& metrics,
                            const std::vector<std::string>& components) {
  const auto time = [](const Metrics& m, const char* name) {
    return format_time(Ps(static_cast<std::int64_t>(m.at(name))));
  };
  return metrics_table(
      {"migration", "moved", "stayed", "total", "downtime", "rounds", "bytes", "rebinds", "work"},
      metrics, components,
      [](const Metrics& m) { return m.contains("kept_pasids") && m.at("migrations") > 0; },
      [&](const Metrics& m) -> std::vector<std::string> {
        return {grouped(m.at("moved")),   grouped(m.at("stayed")),    time(m, "total"),
                time(m, "downtime"),      grouped(m.at("rounds")),    grouped(m.at("bytes")),
                grouped(m.at("rebinds")), grouped(m.at("moved_work"))};
      });
}

// Those that somebody waited for.
std::string lock_table(const std::vector<Metrics>& metrics,
                       const std::vector<std::string>& components) {
  const auto time = [](const Metrics& m, const char* name) {
    return format_time(Ps(static_cast<std::int64_t>(m.at(name))));
  };
  return metrics_table(
      {"lock", "taken", "contended", "waited", "longest wait", "held"}, metrics, components,
      [](const Metrics& m) { return m.contains("contended") && m.at("contended") > 0; },
      [&](const Metrics& m) -> std::vector<std::string> {
        return {grouped(m.at("taken")), grouped(m.at("contended")), time(m, "waited"),
                time(m, "longest_wait"), time(m, "held")};
      });
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
  const std::vector<Metrics> metrics = metrics_by_component(results, components.size());
  const std::uint64_t requests = requests_of(metrics);
  std::string text = fmt::format("{}: {} of simulated time in {:.3f} s, seed {}\n", facts.name,
                                 format_time(facts.simulated, 6), facts.wall_seconds, facts.seed);
  text += fmt::format("{} ({}), {} ({}), {}\n\n", counted(requests, "translation"),
                      rate(requests, facts.wall_seconds), counted(facts.events, "hardware event"),
                      rate(facts.events, facts.wall_seconds),
                      counted(facts.software_steps, "software step"));
  for (const std::string& table :
       {guest_table(metrics, components), migration_table(metrics, components),
        process_table(metrics, components), device_table(metrics, components),
        cache_table(metrics, components), iommu_table(metrics, components),
        fault_table(results, components), lock_table(metrics, components),
        latency_table(results, components)}) {
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
