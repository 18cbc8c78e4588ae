// The tables of a run database.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/digest.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace viosim::schema {

inline constexpr std::int64_t format_version = 4;           // PRAGMA user_version
inline constexpr std::int64_t application_id = 0x76696f73;  // "vios"

extern const char* const create_tables;

// `wall` is not among them, because it differs between identical runs and nothing depends on it.
std::span<const CoveredTable> covered();
const CoveredTable& manifest();  // of these

std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace viosim::schema
