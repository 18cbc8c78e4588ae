// An end of a range: a number, or a quantity with its unit; and what lies between two of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/type.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace viosim {

class RangeValue {
 public:
  // Rates are not among them: few of them are exact.
  enum class Kind : std::uint8_t { whole, real, time, size, bandwidth };

  // Beyond this a double is no longer exact: 2^53.
  static constexpr double most = 9007199254740992.0;

  RangeValue() = default;
  // Rounded to what the kind can hold: whole numbers, picoseconds, bytes.
  RangeValue(Kind kind, double number);
  static std::optional<RangeValue> parse(const Value& value);

  Kind kind() const { return kind_; }
  double number() const { return number_; }  // in picoseconds, bytes, bytes a second
  Value value() const;                       // as scenarios have it: 16, "31.6 ns"

  bool operator==(const RangeValue&) const = default;
  static const JsonType& json_type();

 private:
  Kind kind_ = Kind::whole;
  double number_ = 0;
};

// What a value of a scenario is as a number: numbers themselves, times in picoseconds, sizes in bytes,
// rates a second, bandwidths in bits a second. Nothing for any other.
std::optional<double> number_in(const Value& value);

}  // namespace viosim
