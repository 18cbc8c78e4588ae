// What instruments read metrics and histograms with.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/run/results.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// What an instrument writes its readings with.
class Reading {
 public:
  Reading(Results& results, std::uint32_t component) : results_(results), component_(component) {}

  template <class Stats>
  void metrics(const Stats& stats) {
    for_each_field<Stats>([&](const auto& metric) {
      results_.metrics.push_back(
          {component_, std::string(metric.name), metric.unit, value_of(stats.*(metric.member))});
    });
  }
  // The same of many that are one component: sums, and of what is a longest the longest.
  template <class Parts, class Get>
  void metrics_of_all(const Parts& parts, Get get) {
    using Stats = std::remove_cvref_t<decltype(get(*parts.begin()))>;
    for_each_field<Stats>([&](const auto& metric) {
      const bool longest = metric.name.starts_with("longest");
      std::uint64_t value = 0;
      for (const auto& part : parts) {
        const std::uint64_t one = value_of(get(part).*(metric.member));
        value = longest ? std::max(value, one) : value + one;
      }
      results_.metrics.push_back({component_, std::string(metric.name), metric.unit, value});
    });
  }
  // One that is left out of results where it is 0. `meaning` outlives them.
  void count(const std::string& name, std::uint64_t value, std::string_view meaning) {
    results_.metrics.push_back({component_, name, Unit::count, value, meaning});
  }
  void latency(const char* operation, const Histogram& histogram) {
    results_.latencies.push_back({component_, operation, &histogram});
  }

 private:
  Results& results_;
  std::uint32_t component_;
};

class Instruments {
 public:
  // `read` is called with a Reading.
  template <class Read>
  void add(std::uint32_t component, Read read, Bytes request = Bytes(0)) {
    all.push_back({component,
                   [component, read](Results& results) { read(Reading(results, component)); },
                   request});
  }
  // Of a component that has metrics only.
  template <class Stats>
  void add_metrics(std::uint32_t component, const Stats& stats) {
    add(component, [&stats](Reading reading) { reading.metrics(stats); });
  }

  std::vector<Instrument> all;
};

// Of a guest that moves.
void add_migrations(Instruments& all, std::uint32_t component, const Guest& guest);
// Links between hosts.
void add_links(Instruments& all, const System& system);

// Everything that a host's software has, and its accelerators.
void add_software(Instruments& all, HostSoftware& software);

}  // namespace viosim
