// What a run database holds besides the trace, as plain data: the writer takes it, the reader gives
// it back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace viosim {

// What fixes a run's results. Nothing here may differ between two identical runs.
struct Manifest {
  std::string program_version{};
  std::string scenario{};  // the resolved text
  std::uint64_t seed = 0;
  std::map<std::string, std::string> more{};  // further facts under names of their own
  // Of `more`. Empty: what an older program wrote does not say.
  std::string fact(const std::string& name) const {
    const auto found = more.find(name);
    return found == more.end() ? std::string() : found->second;
  }
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

// An invariant that did not hold.
struct ViolationRow {
  // One of the events that led to it.
  struct Event {
    std::int64_t time = 0;
    std::uint32_t component = 0;
    std::uint16_t kind = 0;
    std::uint32_t pasid = 0;
    std::uint32_t epoch = 0;
    std::string text;
    bool operator==(const Event&) const = default;
  };
  std::string invariant;
  std::int64_t time = 0;
  std::uint32_t component = 0;
  std::string actor;
  std::uint32_t pasid = 0;
  std::uint32_t epoch = 0;
  std::uint32_t current_epoch = 0;
  std::string owner;
  std::string previous_owner;
  std::string message;
  std::vector<Event> events;  // oldest first
  bool operator==(const ViolationRow&) const = default;
};

}  // namespace viosim
