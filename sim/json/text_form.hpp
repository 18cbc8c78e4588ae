// Types that files hold as a short text: quantities with their units, addresses, requester ids.
// A new one needs a specialisation of TextForm, and nothing else.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/units.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

struct TextFormInfo {
  std::string_view noun;      // "time"
  std::string_view expected;  // `a time such as "250 ns"`
  std::string_view pattern;   // ECMA regular expression of every text that is read, for editors
  // What is wrong with a text that cannot be read; empty: nothing more to say.
  std::string (*why)(std::string_view text);
};

template <class T>
struct TextForm;

template <>
struct TextForm<Ps> {
  static const TextFormInfo info;
  static std::optional<Ps> parse(std::string_view text);  // at most what a run can last
  static std::string write(Ps time);
};

template <>
struct TextForm<Bytes> {
  static const TextFormInfo info;
  static std::optional<Bytes> parse(std::string_view text) { return parse_bytes(text); }
  static std::string write(Bytes bytes) { return to_text(bytes); }
};

template <>
struct TextForm<Rate> {
  static const TextFormInfo info;
  static std::optional<Rate> parse(std::string_view text) { return parse_rate(text); }
  static std::string write(Rate rate);
};

template <>
struct TextForm<Bandwidth> {
  static const TextFormInfo info;
  static std::optional<Bandwidth> parse(std::string_view text) { return parse_bandwidth(text); }
  static std::string write(Bandwidth bandwidth) { return to_text(bandwidth); }
};

template <>
struct TextForm<Bdf> {
  static const TextFormInfo info;
  static std::optional<Bdf> parse(std::string_view text);
  static std::string write(Bdf bdf) { return bdf.text(); }
};

// Why a text is no number with one of these units: its unit, its sign, how its number is written, or
// else `inexact`; empty: it is nothing like it.
std::string why_not_quantity(std::string_view text, const std::vector<std::string_view>& units,
                             std::string_view inexact);

// "0x7f001000": hexadecimal, as every log and specification writes addresses.
std::optional<std::uint64_t> parse_address(std::string_view text);
std::string address_text(std::uint64_t address);
extern const TextFormInfo address_form;

template <class Tag>
struct TextForm<Address<Tag>> {
  static constexpr const TextFormInfo& info = address_form;
  static std::optional<Address<Tag>> parse(std::string_view text) {
    const std::optional<std::uint64_t> address = parse_address(text);
    if (!address) return std::nullopt;
    return Address<Tag>(*address);
  }
  static std::string write(Address<Tag> address) { return address_text(address.value()); }
};

template <class T>
concept HasTextForm = requires(const T& t) {
  TextForm<T>::write(t);
};

}  // namespace viosim
