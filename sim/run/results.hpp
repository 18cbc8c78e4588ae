// What a run leaves behind, as plain data: from here it goes into the database and into the summary.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"
#include "core/base/units.hpp"
#include "models/device/trace_player.hpp"
#include "models/iommu/cache.hpp"
#include "sim/run/system.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

struct MetricValue {
  std::uint32_t component = 0;
  std::string name;
  Unit unit = Unit::count;
  std::uint64_t value = 0;
  // Of one that is left out of results where it is 0, as that of each reason for faults: what it
  // counts, in words. Empty: it is always there.
  std::string_view meaning{};

  bool left_out() const { return !meaning.empty() && value == 0; }
};

struct LatencyValue {
  std::uint32_t component = 0;
  std::string operation;
  const Histogram* histogram = nullptr;  // of the system, which outlives the results
};

// Every metric and every histogram of a system that has run, in the order of its components.
struct Results {
  std::vector<MetricValue> metrics;     // those that are not left out
  std::vector<LatencyValue> latencies;  // those that are not empty
};

// Where the results of one component are read, at any time; with empty histograms, and with metrics
// that are left out.
struct Instrument {
  std::uint32_t component = 0;
  std::function<void(Results&)> read;
  Bytes request{};  // devices: what each request moves, where that is known
};

// Of every component that has results, in their order. They refer to the system.
std::vector<Instrument> instruments(const System& system);

Results collect(const System& system);

}  // namespace viosim
