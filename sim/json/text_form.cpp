// The texts of quantities, addresses and requester ids, and why a text is none.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/text_form.hpp"

#include "core/base/error.hpp"
#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace viosim {
namespace {

std::string why_not(std::string_view text, Quantity quantity, std::string_view inexact) {
  return why_not_quantity(text, unit_names(quantity), inexact);
}

std::string why_not_time(std::string_view text) {
  return why_not(text, Quantity::time, "times are whole picoseconds, at most 9007.199254740992 s");
}
std::string why_not_size(std::string_view text) {
  return why_not(text, Quantity::size, "sizes are whole bytes, below 8388608 TiB");
}
std::string why_not_rate(std::string_view text) {
  return why_not(
      text, Quantity::rate,
      "the time between two events must be whole picoseconds, as with 1, 2, 4, 5, 8 or 10 M/s");
}
std::string why_not_bandwidth(std::string_view text) {
  return why_not(text, Quantity::bandwidth, "bandwidths are whole bytes per second");
}
std::string why_not_address(std::string_view text) {
  if (!text.starts_with("0x")) return "addresses are hexadecimal and begin with 0x";
  if (text.find_first_not_of("0123456789abcdefABCDEF", 2) != std::string_view::npos) return {};
  return text.size() > 2 ? "it has more than 64 bits" : "";
}
std::string nothing_more(std::string_view) { return {}; }

// Hexadecimal digits, all of them, at most `limit`.
std::optional<unsigned> hex(std::string_view text, unsigned limit) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size() || value > limit)
    return std::nullopt;
  return value;
}

}  // namespace

std::string why_not_quantity(std::string_view text, const std::vector<std::string_view>& units,
                             std::string_view inexact) {
  if (text.starts_with('-')) return "it must not be negative";
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  if (digits == 0) return {};
  std::string_view unit = text.substr(digits);
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  const std::string known = fmt::format("units are {}", fmt::join(units, ", "));
  if (unit.empty()) return "the unit is missing; " + known;
  if (std::find(units.begin(), units.end(), unit) == units.end())
    return fmt::format("unknown unit {}; {}", quote_short(unit), known);
  const std::string_view number = text.substr(0, digits);
  if (std::count(number.begin(), number.end(), '.') > 1 || number.front() == '.' ||
      number.back() == '.')
    return fmt::format("{} is no number", quote_short(number));
  return std::string(inexact);
}

const TextFormInfo TextForm<Ps>::info = {"time", "a time such as \"250 ns\"",
                                         "^[0-9]+(\\.[0-9]+)? *(ps|ns|us|ms|s)$", why_not_time};

const TextFormInfo TextForm<Bytes>::info = {"size", "a size such as \"4 KiB\"",
                                            "^[0-9]+(\\.[0-9]+)? *(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)$",
                                            why_not_size};

const TextFormInfo TextForm<Rate>::info = {"rate", "a rate such as \"5 M/s\"",
                                           "^[0-9]+(\\.[0-9]+)? *(K|M|G)?/s$", why_not_rate};

const TextFormInfo TextForm<Bandwidth>::info = {
    "bandwidth", "a bandwidth such as \"12.5 GB/s\"",
    "^[0-9]+(\\.[0-9]+)? *(B|KB|MB|GB|Mbit|Gbit|Mb|Gb)/s$", why_not_bandwidth};

const TextFormInfo TextForm<Bdf>::info = {"requester id", "a requester id such as \"01:00.0\"",
                                          "^[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$", nothing_more};

const TextFormInfo address_form = {"address", "an address such as \"0x7f001000\"",
                                   "^0x0*[0-9a-fA-F]{1,16}$", why_not_address};

std::optional<Ps> TextForm<Ps>::parse(std::string_view text) {
  const std::optional<Ps> time = parse_time(text);
  return time && *time <= Instant::latest().since_start() ? time : std::nullopt;
}

std::string TextForm<Ps>::write(Ps time) {
  ensure(time >= Ps(0) && time <= Instant::latest().since_start(),
         "a time that no run can reach cannot be written");
  return to_text(time);
}

std::string TextForm<Rate>::write(Rate rate) {
  std::string text = to_text(rate);
  ensure(parse_rate(text) == rate, "a rate cannot be written: its period does not divide a second");
  return text;
}

std::optional<Bdf> TextForm<Bdf>::parse(std::string_view text) {
  if (text.size() != 7 || text[2] != ':' || text[5] != '.') return std::nullopt;
  const auto bus = hex(text.substr(0, 2), 0xff);
  const auto device = hex(text.substr(3, 2), 0x1f);
  const auto function = hex(text.substr(6, 1), 7);
  if (!bus || !device || !function) return std::nullopt;
  return Bdf(*bus, *device, *function);
}

std::optional<std::uint64_t> parse_address(std::string_view text) {
  if (!text.starts_with("0x") || text.size() == 2) return std::nullopt;
  std::uint64_t address = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + 2, last, address, 16);
  if (error != std::errc() || end != last) return std::nullopt;
  return address;
}

std::string address_text(std::uint64_t address) { return fmt::format("{:#x}", address); }

}  // namespace viosim
