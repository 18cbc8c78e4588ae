// Reads, writes and rounds the ends of ranges.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/range_value.hpp"

#include "core/base/units.hpp"
#include "sim/scenario/amount.hpp"

#include <fmt/format.h>

#include <cmath>

namespace viosim {
namespace {

class RangeValueType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    const std::optional<RangeValue> read = RangeValue::parse(value);
    if (read) {
      *static_cast<RangeValue*>(into) = *read;
      return;
    }
    const std::string* text = value.if_text();
    if (text != nullptr && parse_rate(*text)) {
      where.reject(
          fmt::format("read {}; expected a list of \"values\": only rates whose period is "
                      "whole picoseconds can be simulated, and few of a range are",
                      quote_short(*text)));
      return;
    }
    reject_type(value, where, expected());
  }
  Value write(const void* from) const override {
    return static_cast<const RangeValue*>(from)->value();
  }
  std::string expected() const override {
    return "a number, a time such as \"250 ns\", a size such as \"4 KiB\" or a bandwidth such as "
           "\"8 GB/s\"";
  }
  std::string noun() const override { return "number, time, size or bandwidth"; }
  Value::Object schema(const void*) const override { return number_or_text_schema(); }
};

}  // namespace

RangeValue::RangeValue(Kind kind, double number)
    : kind_(kind), number_(kind == Kind::real ? number : std::round(number)) {}

std::optional<RangeValue> RangeValue::parse(const Value& value) {
  std::optional<RangeValue> read;
  if (const std::optional<Wide> whole = value.whole()) {
    read = RangeValue(Kind::whole, static_cast<double>(*whole));
  } else if (const std::optional<double> number = value.number()) {
    read = RangeValue(Kind::real, *number);
  } else if (const std::string* text = value.if_text()) {
    if (const auto time = parse_time(*text))
      read = RangeValue(Kind::time, static_cast<double>(time->count()));
    if (const auto size = parse_bytes(*text))
      read = RangeValue(Kind::size, static_cast<double>(size->count()));
    if (const auto bandwidth = parse_bandwidth(*text))
      read = RangeValue(Kind::bandwidth, static_cast<double>(bandwidth->value()));
  }
  if (read && (!std::isfinite(read->number_) || std::abs(read->number_) > most)) read.reset();
  return read;
}

Value RangeValue::value() const {
  switch (kind_) {
    case Kind::whole:
      return Value(static_cast<std::int64_t>(number_));
    case Kind::real:
      return Value(number_);
    case Kind::time:
      return Value(format_time(Ps(static_cast<std::int64_t>(number_)), 12));
    case Kind::size:
      return Value(to_text(Bytes(static_cast<std::uint64_t>(number_))));
    case Kind::bandwidth:
      return Value(to_text(Bandwidth(static_cast<std::uint64_t>(number_))));
  }
  return Value();
}

const JsonType& RangeValue::json_type() {
  static const RangeValueType type;
  return type;
}

std::optional<double> number_in(const Value& value) {
  if (const std::optional<double> number = value.number()) return number;
  const std::string* text = value.if_text();
  if (text == nullptr) return std::nullopt;
  if (const auto amount = Amount::parse(*text)) return amount->value();
  return std::nullopt;
}

}  // namespace viosim
