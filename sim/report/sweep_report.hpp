// All that a report of a sweep shows, as JSON.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"

#include <cstddef>
#include <filesystem>

namespace viosim::report {

// Figures are kept as count, mean and deviation of each point's runs, as long as they are no more than this many
// in all; those that come later in the database are left out, and named.
inline constexpr std::size_t most_cells = 150'000;

// What the page's scripts read (page/sweep.js). The same database gives the same value. Throws ConfigError: there is
// no such file, or it is no result of a sweep.
Value sweep_json(const std::filesystem::path& path);

}  // namespace viosim::report
