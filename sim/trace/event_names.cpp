// Reads the sentences of the event_kind table.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/event_names.hpp"

#include "core/base/address.hpp"
#include "core/base/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace viosim {
namespace {

// A number at the beginning of the text, which loses it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// The next of a list, which loses it.
std::string_view take_item(std::string_view& list) {
  const std::size_t end = list.find(", ");
  const std::string_view item = list.substr(0, end);
  list = end == std::string_view::npos ? std::string_view() : list.substr(end + 2);
  return item;
}

std::string requester_text(std::uint64_t id) {
  return fmt::format("{:02x}:{:02x}.{}", id >> 8U & 0xffU, id >> 3U & 0x1fU, id & 7U);
}

}  // namespace

FieldMeaning::FieldMeaning(std::string_view text, bool of_code) : text_(text) {
  if (text.empty()) return;
  numbers_a_whole_ = text.starts_with("number of the ");
  if (text == "requester id") {
    form_ = Form::requester;
  } else if (parse_choices()) {
    form_ = Form::choice;
  } else if (parse_parts()) {
    form_ = Form::packed;
  } else {
    form_ = of_code || text.starts_with("number") ? Form::decimal : Form::hexadecimal;
  }
}

bool FieldMeaning::parse_choices() {
  std::vector<Choice> choices;
  for (std::string_view rest = text_; !rest.empty();) {
    std::string_view one = take_item(rest);
    const std::optional<std::uint64_t> value = take_number(one);
    if (!value || !one.starts_with(' ')) return false;
    one.remove_prefix(1);
    const bool counts_on = one.starts_with("+ ");
    const std::size_t colon = one.find(": ");
    if (counts_on && colon != std::string_view::npos) one.remove_prefix(colon + 2);
    choices.push_back({*value, std::string(one), counts_on});
  }
  choices_ = std::move(choices);
  return true;
}

// "name 15:0" or "name 32".
bool FieldMeaning::parse_parts() {
  std::vector<Part> parts;
  for (std::string_view rest = text_; !rest.empty();) {
    const std::string_view item = take_item(rest);
    const std::size_t space = item.rfind(' ');
    if (space == std::string_view::npos) return false;
    std::string_view bits = item.substr(space + 1);
    const std::optional<std::uint64_t> high = take_number(bits);
    std::optional<std::uint64_t> low = high;
    if (bits.starts_with(':')) {
      bits.remove_prefix(1);
      low = take_number(bits);
    }
    if (!high || !low || !bits.empty() || *high > 63 || *low > *high) return false;
    parts.push_back({std::string(item.substr(0, space)), static_cast<unsigned>(*low),
                     static_cast<unsigned>(*high - *low + 1)});
  }
  parts_ = std::move(parts);
  return true;
}

std::string FieldMeaning::named(std::uint64_t value) const {
  return form_ == Form::packed ? of(value) : fmt::format("{} {}", text_, of(value));
}

std::string FieldMeaning::of(std::uint64_t value) const {
  switch (form_) {
    case Form::unused:
      return {};
    case Form::hexadecimal:
      return fmt::format("{:#x}", value);
    case Form::requester:
      return requester_text(value);
    case Form::choice:
      for (const Choice& choice : choices_) {
        if (choice.value == value && !choice.counts_on) return choice.name;
        if (choice.counts_on && value >= choice.value)
          return fmt::format("{} {:#x}", choice.name, value - choice.value);
      }
      break;
    case Form::packed: {
      std::string text;
      for (const Part& part : parts_) {
        const std::uint64_t bits = value >> part.low & (~std::uint64_t{0} >> (64 - part.bits));
        if (part.bits == 1 && bits == 0) continue;
        if (!text.empty()) text += ", ";
        text += part.name;
        if (part.bits == 1) continue;
        text += ' ';
        text += part.name == "requester id" ? requester_text(bits) : std::to_string(bits);
      }
      return text;
    }
    case Form::decimal:
      break;
  }
  return std::to_string(value);
}

EventNames::EventNames(const RunReader& reader) : components_(reader.components()) {
  for (const EventKindRow& row : reader.kinds()) {
    if (row.kind >= kinds_.size()) kinds_.resize(row.kind + std::size_t{1});
    kinds_[row.kind] = {row.name, FieldMeaning(row.address, false), FieldMeaning(row.value, false),
                        FieldMeaning(row.code, true)};
  }
}

const std::string& EventNames::component(std::uint32_t number) const {
  if (number < components_.size()) return components_[number];
  for (const auto& [known, name] : unknown_components_)
    if (known == number) return name;
  return unknown_components_.emplace_back(number, fmt::format("?{}", number)).second;
}

const KindMeaning& EventNames::kind(std::uint16_t number) const {
  if (number < kinds_.size() && !kinds_[number].name.empty()) return kinds_[number];
  for (const auto& [known, meaning] : unknown_kinds_)
    if (known == number) return meaning;
  const FieldMeaning unknown("unknown", false);
  return unknown_kinds_
      .emplace_back(number, KindMeaning{fmt::format("?{}", number), unknown, unknown,
                                        FieldMeaning("unknown", true)})
      .second;
}

std::string event_text(const TraceEvent& event, const EventNames& names) {
  const KindMeaning& kind = names.kind(event.kind);
  std::string text = fmt::format("{} {} at {}", names.component(event.component), kind.name,
                                 format_time(Ps(event.time), 12));
  if (event.duration != 0) text += fmt::format(" after {}", format_time(Ps(event.duration), 12));
  if (event.pasid != 0) text += fmt::format(", PASID {}", event.pasid);
  if (event.epoch != 0) text += fmt::format(", epoch {}", event.epoch);
  if (kind.address.used()) text += ", " + kind.address.named(event.address);
  if (kind.value.used()) text += ", " + kind.value.named(event.value);
  if (kind.code.used()) text += fmt::format(", code {}", kind.code.of(event.code));
  return text;
}

}  // namespace viosim
