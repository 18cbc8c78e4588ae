// Latency distributions for a report.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"
#include "sim/json/value.hpp"
#include "sim/record/rows.hpp"

#include <string>
#include <vector>

namespace viosim::report {

// {"component": ..., "operation": ..., "count": N, "min": ps, "mean": ps, "max": ps, "x": [means of buckets, ps],
//  "n": [how many in each]}
Value latency_json(const std::string& component, const std::string& operation,
                   const Histogram& histogram);

// Of a run, those of components that differ in their indices only put together when they are too many. At most
// `most_latencies`, those with most samples.
inline constexpr std::size_t most_latencies = 400;
Value latencies_json(const std::vector<LatencyRow>& latencies,
                     const std::vector<std::string>& components);

}  // namespace viosim::report
