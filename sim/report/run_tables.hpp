// Tables of what a run counted: devices, caches, IOMMUs, locks, processes, guests, and everything.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/record/rows.hpp"

#include <string>
#include <vector>

namespace viosim::report {

// [{"id": ..., "title": ..., "columns": [{"name": ..., "unit": ...}], "rows": [[...]]}]; the unit says how a number is
// shown: "count", "ps", "bytes", "ratio", or "text". Tables without rows are left out.
Value tables_json(const std::vector<MetricRow>& metrics,
                  const std::vector<std::string>& components);

// Every counter that is not 0, one per row. At most `most_counters`: {"total": N, "rows": [[component, name, unit,
// value]]}.
inline constexpr std::size_t most_counters = 5000;
Value counters_json(const std::vector<MetricRow>& metrics,
                    const std::vector<std::string>& components);

}  // namespace viosim::report
