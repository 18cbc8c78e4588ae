// How far two runs may be apart and still count as the same. By default: not at all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/scenario/component_path.hpp"

#include <array>
#include <string>
#include <vector>

namespace viosim {

enum class TraceRule {
  exact,    // the same events, field by field
  untimed,  // the same events in the same order, whenever they happen and however long they take
  off       // whatever happens
};
constexpr auto choices(TraceRule) {
  return std::array{
      Choice{TraceRule::exact, "exact", "The same events, field by field."},
      Choice{TraceRule::untimed, "untimed",
             "The same events in the same order, whatever their times and durations."},
      Choice{TraceRule::off, "off", "Events are not compared."}};
}

struct LatencyTolerance {
  PathPattern component;
  std::string operation;
  double within = 0;

  static constexpr auto fields() {
    return Fields{
        required("component", &LatencyTolerance::component, "Whose latency: a path or many."),
        field("operation", &LatencyTolerance::operation, "Which one; empty: all of them."),
        required("within", &LatencyTolerance::within,
                 "By which part of the record mean, p50, p90, p99 and p99.9 may differ: 0.05.")
            .from(0)
            .to(1)};
  }
  bool operator==(const LatencyTolerance&) const = default;
};

struct MetricTolerance {
  PathPattern component;
  std::string metric;
  double within = 0;

  static constexpr auto fields() {
    return Fields{
        required("component", &MetricTolerance::component, "Whose metric: a path or many."),
        field("metric", &MetricTolerance::metric, "Which one; empty: all of them."),
        required("within", &MetricTolerance::within,
                 "By which part of the record it may differ: 0.05.")
            .from(0)
            .to(1)};
  }
  bool operator==(const MetricTolerance&) const = default;
};

struct Tolerances {
  TraceRule trace = TraceRule::exact;
  std::vector<LatencyTolerance> latencies;
  std::vector<MetricTolerance> metrics;

  static constexpr auto fields() {
    return Fields{field("trace", &Tolerances::trace, "How events are compared."),
                  field("latencies", &Tolerances::latencies,
                        "Latencies that may differ a little; all others are exact."),
                  field("metrics", &Tolerances::metrics,
                        "Metrics that may differ a little; all others are exact.")};
  }
  bool operator==(const Tolerances&) const = default;
};

}  // namespace viosim
