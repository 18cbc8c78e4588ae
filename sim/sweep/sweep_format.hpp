// The tables of a sweep's result.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/digest.hpp"

#include <cstdint>
#include <span>

namespace viosim::sweep_format {

inline constexpr std::int64_t application_id = 0x76737770;  // "vswp"
inline constexpr std::int64_t version = 3;
inline constexpr std::int64_t first_with_digests = 2;
inline constexpr std::int64_t first_with_stop = 2;
inline constexpr const char* noun = "result of a sweep";  // as errors call it

extern const char* const create_tables;

// All but `wall`.
std::span<const CoveredTable> covered();

}  // namespace viosim::sweep_format
