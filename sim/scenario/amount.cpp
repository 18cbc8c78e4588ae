// Reads and writes amounts.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/amount.hpp"

#include "core/base/units.hpp"
#include "sim/json/text_form.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace viosim {
namespace {

// Whole numbers below this are exact in a double: 2^53.
constexpr double largest_exact = 9007199254740992.0;

struct AmountUnit {
  std::string_view name;
  Dimension dimension;
  double size;
};

constexpr std::array inexact_units = {AmountUnit{"%", Dimension::ratio, 0.01},
                                      AmountUnit{"/s", Dimension::rate, 1},
                                      AmountUnit{"K/s", Dimension::rate, 1e3},
                                      AmountUnit{"M/s", Dimension::rate, 1e6},
                                      AmountUnit{"G/s", Dimension::rate, 1e9},
                                      AmountUnit{"b/s", Dimension::bandwidth, 1},
                                      AmountUnit{"Kb/s", Dimension::bandwidth, 1e3},
                                      AmountUnit{"Mb/s", Dimension::bandwidth, 1e6},
                                      AmountUnit{"Gb/s", Dimension::bandwidth, 1e9},
                                      AmountUnit{"Tb/s", Dimension::bandwidth, 1e12},
                                      AmountUnit{"B/s", Dimension::bandwidth, 8},
                                      AmountUnit{"KB/s", Dimension::bandwidth, 8e3},
                                      AmountUnit{"MB/s", Dimension::bandwidth, 8e6},
                                      AmountUnit{"GB/s", Dimension::bandwidth, 8e9},
                                      AmountUnit{"Mbit/s", Dimension::bandwidth, 1e6},
                                      AmountUnit{"Gbit/s", Dimension::bandwidth, 1e9}};

// Those of every quantity, each once.
std::vector<std::string_view> amount_units() {
  std::vector<std::string_view> units = unit_names(Quantity::time);
  const std::vector<std::string_view> sizes = unit_names(Quantity::size);
  units.insert(units.end(), sizes.begin(), sizes.end());
  for (const AmountUnit& unit : inexact_units) units.push_back(unit.name);
  return units;
}

class AmountType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    std::optional<Amount> amount;
    std::string why;
    if (const std::optional<double> number = value.number()) {
      amount = Amount(*number);
      if (*number < 0) why = "it must not be negative";
    } else if (const std::string* text = value.if_text()) {
      amount = Amount::parse(*text);
      if (!amount) why = Amount::why_not(*text);
    }
    if (!amount || !why.empty()) {
      const std::string more = why.empty() ? "" : fmt::format(" ({})", why);
      return reject_type(value, where, expected() + more);
    }
    *static_cast<Amount*>(into) = *amount;
  }
  Value write(const void* from) const override {
    const Amount& amount = *static_cast<const Amount*>(from);
    if (!amount.of(Dimension::count)) return Value(amount.text());
    if (amount.value() < largest_exact && amount.value() == std::floor(amount.value()))
      return Value(static_cast<std::int64_t>(amount.value()));
    return Value(amount.value());
  }
  std::string expected() const override {
    return "a number, or a text with a unit such as \"2 us\", \"95 %\", \"4 KiB\", \"5 M/s\", \"32 "
           "Gb/s\"";
  }
  std::string noun() const override { return "amount"; }
  Value::Object schema(const void*) const override {
    Value::Object schema = number_or_text_schema();
    add(schema, "minimum", std::int64_t{0});
    add(schema, "pattern",
        fmt::format("^[0-9]+(\\.[0-9]+)? *({})$", fmt::join(amount_units(), "|")));
    return schema;
  }
};

}  // namespace

std::optional<Amount> Amount::parse(std::string_view text) {
  Amount amount;
  amount.text_ = text;
  if (const std::optional<Ps> time = TextForm<Ps>::parse(text)) {
    amount.value_ = static_cast<double>(time->count());
    amount.dimension_ = Dimension::time;
    return amount;
  }
  if (const std::optional<Bytes> bytes = parse_bytes(text)) {
    amount.value_ = static_cast<double>(bytes->count());
    amount.dimension_ = Dimension::bytes;
    return amount;
  }
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (error != std::errc() || !digit(text.front()) || !digit(*(end - 1))) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(last - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const AmountUnit& known : inexact_units) {
    if (known.name != unit) continue;
    amount.value_ = number * known.size;
    amount.dimension_ = known.dimension;
    return amount;
  }
  return std::nullopt;
}

std::string Amount::why_not(std::string_view text) {
  return why_not_quantity(text, amount_units(),
                          "times are whole picoseconds, at most 9007.199254740992 s, and sizes "
                          "whole bytes, below 8388608 TiB");
}

std::string Amount::text() const {
  return text_.empty() ? amount_text(value_, Dimension::count) : text_;
}

std::string Amount::as_read() const { return text_.empty() ? text() : '"' + text_ + '"'; }

const JsonType& Amount::json_type() {
  static const AmountType type;
  return type;
}

Value::Object number_or_text_schema() {
  Value::Array types;
  types.emplace_back("number");
  types.emplace_back("string");
  Value::Object schema;
  add(schema, "type", std::move(types));
  return schema;
}

std::string_view expected_amount(Dimension dimension) {
  switch (dimension) {
    case Dimension::count:
      return "a number such as 100";
    case Dimension::ratio:
      return "a ratio such as 0.95 or \"95 %\"";
    case Dimension::bytes:
      return "a size such as \"4 KiB\"";
    case Dimension::time:
      return "a time such as \"2 us\"";
    case Dimension::rate:
      return "a rate such as \"5 M/s\"";
    case Dimension::bandwidth:
      return "a bandwidth such as \"32 Gb/s\" or \"4 GB/s\"";
  }
  return "?";
}

namespace {

// "32.4 G" of a big number.
std::string scaled(double value) {
  constexpr std::array steps = {std::pair{1e12, "T"}, std::pair{1e9, "G"}, std::pair{1e6, "M"},
                                std::pair{1e3, "K"}};
  for (const auto& [size, letter] : steps) {
    if (value >= size) return fmt::format("{:.4g} {}", value / size, letter);
  }
  return fmt::format("{:.4g} ", value);
}

// What is neither all nor nothing is not told as if it were: "99.998 %", "0.003 %".
std::string percent_text(double percent) {
  constexpr int most_digits = 10;
  const bool between = percent > 0 && percent < 100;
  for (int digits = 2;; ++digits) {
    const std::string text = fmt::format("{:.{}f}", percent, digits);
    const bool at_an_end =
        text.starts_with("100.") || text.find_first_not_of("0.") == std::string::npos;
    if (!between || !at_an_end || digits == most_digits) return text + " %";
  }
}

}  // namespace

std::string amount_text(double value, Dimension dimension) {
  switch (dimension) {
    case Dimension::count:
      return value == std::floor(value) && value < largest_exact ? fmt::format("{:.0f}", value)
                                                                 : fmt::format("{}", value);
    case Dimension::ratio:
      return percent_text(100 * value);
    case Dimension::bytes:
      return to_text(Bytes(static_cast<std::uint64_t>(value)));
    case Dimension::time:
      return format_time(Ps(std::llround(value)));
    case Dimension::rate:
      return scaled(value) + "/s";
    case Dimension::bandwidth:
      return scaled(value) + "b/s";
  }
  return "?";
}

}  // namespace viosim
