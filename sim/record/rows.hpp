// What a run database holds besides the trace, as plain data: the writer takes it, the reader gives
// it back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace viosim {

// What fixes a run's results. Nothing here may differ between two identical runs.
struct Manifest {
  std::string program_version{};
  std::string scenario{};  // the resolved text
  std::uint64_t seed = 0;
  std::map<std::string, std::string> more{};  // further facts under names of their own
  bool operator==(const Manifest&) const = default;
};

struct MetricRow {
  std::uint32_t component = 0;  // its number in the run's list of component paths
  std::string name;
  Unit unit = Unit::count;
  std::int64_t value = 0;
  bool operator==(const MetricRow&) const = default;
};

struct LatencyRow {
  std::uint32_t component = 0;
  std::string operation;
  Histogram histogram;
  bool operator==(const LatencyRow&) const = default;
};

// What came of something that the scenario expects of the run.
struct ExpectationRow {
  std::string expected;
  std::string found;
  bool met = false;
  bool operator==(const ExpectationRow&) const = default;
};

}  // namespace viosim
