// Where the traces of two runs part, and what stands around that place.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/compare/tolerances.hpp"
#include "sim/record/run_reader.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace viosim {

struct TraceDifference {
  std::uint64_t events_a = 0;
  std::uint64_t events_b = 0;
  bool compared = true;  // false: no event was looked at
  // The number of the first event that differs, from 0; none: the traces are the same.
  std::optional<std::uint64_t> first;
  std::vector<TraceEvent> before;  // the last events that both have, oldest first
  std::vector<TraceEvent> a;       // what each has instead; empty where the trace ended
  std::vector<TraceEvent> b;
  // Both differ, and hold the same events but for times, durations and their order.
  bool same_but_for_time = false;
};

// Components and kinds are the same when their names are, whatever their numbers. Events of each
// side keep the numbers of their own run. A damaged block of either is a ConfigError, unless the rule is
// that events are not compared.
TraceDifference compare_traces(RunReader& a, RunReader& b, TraceRule rule, std::size_t context = 3);

}  // namespace viosim
