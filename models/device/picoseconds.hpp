// Instants and times as plain counts of picoseconds, where every request handles several.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"

#include <cstdint>

namespace viosim {

constexpr std::uint64_t count_of(Ps time) { return static_cast<std::uint64_t>(time.count()); }
constexpr std::uint64_t count_of(Instant at) { return static_cast<std::uint64_t>(at.ps()); }
constexpr Instant instant_of(std::uint64_t ps) {
  return Instant(Ps(static_cast<std::int64_t>(ps)));
}

}  // namespace viosim
