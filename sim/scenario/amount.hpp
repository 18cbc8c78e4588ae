// A value that a figure of a run is held against: a number, or a text with its unit.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/type.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viosim {

// What is counted or measured.
enum class Dimension : std::uint8_t { count, ratio, bytes, time, rate, bandwidth };

class Amount {
 public:
  Amount() = default;
  explicit Amount(double number) : value_(number) {}
  // Nothing when `why_not` has something to say, or the text is no quantity at all.
  static std::optional<Amount> parse(std::string_view text);
  static std::string why_not(std::string_view text);

  // In numbers, fractions, bytes, picoseconds, 1/s, bit/s.
  double value() const { return value_; }
  // A bare number is a count or a ratio.
  bool of(Dimension dimension) const {
    return dimension_ ? *dimension_ == dimension
                      : dimension == Dimension::count || dimension == Dimension::ratio;
  }
  // Whether some dimension has them both.
  bool comparable(const Amount& other) const {
    return dimension_ == other.dimension_ || (of(Dimension::ratio) && other.of(Dimension::ratio));
  }
  bool percent() const { return dimension_ == Dimension::ratio; }
  std::string text() const;     // as it was written
  std::string as_read() const;  // the same, in quotes where it had them

  bool operator==(const Amount&) const = default;
  static const JsonType& json_type();

 private:
  double value_ = 0;
  std::optional<Dimension> dimension_;  // none: a bare number
  std::string text_;                    // empty: a bare number
};

// Of what is a number, or a text with a unit.
Value::Object number_or_text_schema();

// `a time such as "2 us"`
std::string_view expected_amount(Dimension dimension);

// For people: "1.2 us", "98.50 %", "32.4 Gb/s", "100,000".
std::string amount_text(double value, Dimension dimension);

}  // namespace viosim
