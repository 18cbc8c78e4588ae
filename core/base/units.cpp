// Exact reading and writing of quantities: decimal digits and a power of ten, never a double.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"

#include "core/base/address.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

namespace viosim {
namespace {

struct UnitName {
  std::string_view name;
  std::uint64_t size;  // in the target's resolution
};

constexpr std::array time_units = {UnitName{"ps", 1}, UnitName{"ns", 1'000},
                                   UnitName{"us", 1'000'000}, UnitName{"ms", 1'000'000'000},
                                   UnitName{"s", 1'000'000'000'000}};
constexpr std::array byte_units = {UnitName{"B", 1},
                                   UnitName{"KiB", 1ULL << 10},
                                   UnitName{"MiB", 1ULL << 20},
                                   UnitName{"GiB", 1ULL << 30},
                                   UnitName{"TiB", 1ULL << 40},
                                   UnitName{"KB", 1'000},
                                   UnitName{"MB", 1'000'000},
                                   UnitName{"GB", 1'000'000'000},
                                   UnitName{"TB", 1'000'000'000'000}};
constexpr std::array rate_units = {UnitName{"/s", 1}, UnitName{"K/s", 1'000},
                                   UnitName{"M/s", 1'000'000}, UnitName{"G/s", 1'000'000'000}};

// What is written in bits is written with the first name of its unit.
constexpr std::array bandwidth_units = {
    UnitName{"B/s", 1},          UnitName{"KB/s", 1'000},
    UnitName{"MB/s", 1'000'000}, UnitName{"GB/s", 1'000'000'000},
    UnitName{"Mbit/s", 125'000}, UnitName{"Gbit/s", 125'000'000},
    UnitName{"Mb/s", 125'000},   UnitName{"Gb/s", 125'000'000}};

// A decimal number as digits * 10^-places: exact, unlike a double.
struct Decimal {
  std::uint64_t digits = 0;
  std::size_t places = 0;
};

// Appends a digit; false when there are too many.
bool append(Decimal& number, std::uint64_t digit) {
  if (number.digits > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return false;
  number.digits = number.digits * 10 + digit;
  return true;
}

std::string_view take_digits(std::string_view& text) {
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  text.remove_prefix(digits.size());
  return digits;
}

// Zeros at the end of the fraction say nothing.
std::optional<Decimal> read_decimal(std::string_view& text) {
  const std::string_view whole = take_digits(text);
  if (whole.empty()) return std::nullopt;
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
    if (fraction.empty()) return std::nullopt;
    fraction = fraction.substr(0, fraction.find_last_not_of('0') + 1);
  }
  Decimal number;
  for (const std::string_view part : {whole, fraction}) {
    for (const char c : part)
      if (!append(number, static_cast<std::uint64_t>(c - '0'))) return std::nullopt;
  }
  number.places = fraction.size();
  return number;
}

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();

// "12.5 KiB" in the smallest unit, exactly, or nothing.
template <std::size_t N>
std::optional<std::uint64_t> parse_exact(std::string_view text,
                                         const std::array<UnitName, N>& units) {
  const std::optional<Decimal> number = read_decimal(text);
  if (!number) return std::nullopt;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  for (const UnitName& unit : units) {
    if (text != unit.name) continue;
    Wide value = static_cast<Wide>(number->digits) * unit.size;
    for (std::size_t i = 0; i < number->places; ++i) {
      if (value % 10 != 0) return std::nullopt;
      value /= 10;
    }
    if (value > largest) return std::nullopt;
    return static_cast<std::uint64_t>(value);
  }
  return std::nullopt;
}

// The largest unit that divides the value; the smallest when none larger does.
template <std::size_t N>
std::string write_exact(std::uint64_t value, const std::array<UnitName, N>& units) {
  const UnitName* best = units.data();
  for (const UnitName& unit : units) {
    if (value != 0 && value % unit.size == 0 && unit.size > best->size) best = &unit;
  }
  return fmt::format("{} {}", value / best->size, best->name);
}

constexpr std::uint64_t ps_per_second = 1'000'000'000'000;

}  // namespace

std::optional<Ps> parse_time(std::string_view text) {
  const auto ps = parse_exact(text, time_units);
  if (!ps) return std::nullopt;
  return Ps(static_cast<std::int64_t>(*ps));
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  const auto count = parse_exact(text, byte_units);
  if (!count) return std::nullopt;
  return Bytes(*count);
}

std::optional<Rate> parse_rate(std::string_view text) {
  const auto per_second = parse_exact(text, rate_units);
  if (!per_second || *per_second == 0 || ps_per_second % *per_second != 0) return std::nullopt;
  return Rate(Ps(static_cast<std::int64_t>(ps_per_second / *per_second)));
}

std::optional<Bandwidth> parse_bandwidth(std::string_view text) {
  const auto per_second = parse_exact(text, bandwidth_units);
  if (!per_second) return std::nullopt;
  return Bandwidth(*per_second);
}

Ps time_for(Bytes bytes, Bandwidth bandwidth) {
  const Wide scaled = static_cast<Wide>(bytes.count()) * ps_per_second;
  return Ps(static_cast<std::int64_t>((scaled + bandwidth.value() - 1) / bandwidth.value()));
}

Bytes bytes_in(Ps time, Bandwidth bandwidth) {
  const Wide scaled = static_cast<Wide>(time.count()) * bandwidth.value();
  return Bytes(static_cast<std::uint64_t>(scaled / ps_per_second));
}

std::vector<std::string_view> unit_names(Quantity quantity) {
  std::vector<std::string_view> names;
  const auto collect = [&](const auto& units) {
    for (const UnitName& unit : units) names.push_back(unit.name);
  };
  if (quantity == Quantity::time) collect(time_units);
  if (quantity == Quantity::size) collect(byte_units);
  if (quantity == Quantity::rate) collect(rate_units);
  if (quantity == Quantity::bandwidth) collect(bandwidth_units);
  return names;
}

std::string to_text(Ps time) {
  return write_exact(static_cast<std::uint64_t>(time.count()), time_units);
}

std::string to_text(Bytes bytes) { return write_exact(bytes.count(), byte_units); }

std::string to_text(Rate rate) {
  return write_exact(ps_per_second / static_cast<std::uint64_t>(rate.value().count()), rate_units);
}

std::string to_text(Bandwidth bandwidth) { return write_exact(bandwidth.value(), bandwidth_units); }

std::string format_time(Ps time, int digits) {
  const auto magnitude =
      static_cast<std::uint64_t>(time.count() < 0 ? -time.count() : time.count());
  const UnitName* unit = time_units.data();
  for (const UnitName& candidate : time_units) {
    if (magnitude >= candidate.size) unit = &candidate;
  }
  // Integer arithmetic: a double would round 2^53 - 1 ps.
  std::uint64_t scale = 1;
  int places = 0;
  while (places < digits && scale < unit->size) {
    scale *= 10;
    ++places;
  }
  std::uint64_t whole = magnitude / unit->size;
  std::uint64_t fraction = 0;
  if (scale > 1) {
    const std::uint64_t step = unit->size / scale;
    const std::uint64_t rounded = (magnitude % unit->size + step / 2) / step;
    whole += rounded / scale;
    fraction = rounded % scale;
  }
  std::string text = fmt::format("{}{}", time.count() < 0 ? "-" : "", whole);
  if (fraction != 0) {
    std::string tail = fmt::format("{:0{}}", fraction, places);
    tail.erase(tail.find_last_not_of('0') + 1);
    text += '.' + tail;
  }
  return fmt::format("{} {}", text, unit->name);
}

std::string Bdf::text() const {
  return fmt::format("{:02x}:{:02x}.{}", bus(), devfn() >> 3U, devfn() & 7U);
}

}  // namespace viosim
