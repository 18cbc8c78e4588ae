// Whether the answer that a script expects of an operation is one that the operation can give.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/conformance/place.hpp"

#include <cstdint>
#include <string>

namespace conformance {

constexpr std::uint64_t id_max = 0xffffffff;
// Answers are written as signed numbers, the negative ones being errors.
constexpr std::uint64_t token_max = 0x7fffffffffffffff;

// `operation`, with its name and `expect`, whose fields have been looked at already.
void check_expectation(const std::string& name, const Place& operation);

}  // namespace conformance
