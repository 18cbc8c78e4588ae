// The limits that a field declares (core/base/limits.hpp), erased, and in words.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/limits.hpp"
#include "sim/json/value.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// Of a number or quantity; the values are as files hold them. Without `allow` there are none.
struct ValueBounds {
  bool (*allow)(const void* value) = nullptr;
  std::optional<Value> lowest;
  bool lowest_excluded = false;
  std::optional<Value> highest;
  bool highest_excluded = false;
  std::optional<Value> divisor;
  bool power_of_two = false;
  std::vector<Value> listed;
};

// `from 1 to 64`, `at least "1 ps"`, `more than 0, at most 1`; empty without ends.
std::string range_words(const ValueBounds& bounds);
// The same with what else there is: `a power of two from 128 to 32768`, `one of 39, 48, 57`; where
// there is nothing else, with `kind`: `a number from 0 to 1`.
std::string words(const ValueBounds& bounds, std::string_view kind = {});
// `at least one`, `2 of them`.
std::string words(const ItemLimits& limits);

// For people who read no JSON: without the quotation marks.
std::string unquoted(std::string text);
// As a sentence of its own.
std::string sentence_of(std::string words);

}  // namespace viosim
