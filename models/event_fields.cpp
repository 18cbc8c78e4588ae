// Reads the sentences of the event_kind table.
// SPDX-License-Identifier: Apache-2.0
#include "models/event_fields.hpp"

#include "core/base/address.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/descriptor_text.hpp"
#include "models/kernel/errno.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace viosim {
namespace {

constexpr std::string_view of_component = ": number of the component";
constexpr std::string_view of_owner = ": 0 the kernel itself, or 1 + number of the component";

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
  return Bdf(static_cast<std::uint16_t>(id & 0xffffU)).text();
}

void append(std::string& list, const std::string& item) {
  if (item.empty()) return;
  if (!list.empty()) list += ", ";
  list += item;
}

}  // namespace

FieldMeaning::FieldMeaning(std::string_view text, bool of_code,
                           const std::vector<std::string>* components)
    : text_(text), components_(components) {
  if (text.empty()) return;
  numbers_a_whole_ = text.starts_with("number of the ");
  if (text == "requester id") {
    form_ = Form::requester;
  } else if (of_code && text.starts_with("descriptor type")) {
    form_ = Form::descriptor;
  } else if (text == "fault reason") {
    form_ = Form::hexadecimal;
  } else if (parse_component()) {
    return;
  } else if (parse_choices()) {
    form_ = Form::choice;
  } else if (parse_parts()) {
    form_ = Form::packed;
  } else {
    form_ = of_code || text.starts_with("number") ? Form::decimal : Form::hexadecimal;
  }
}

// What stands before it is what the field is called in a sentence.
bool FieldMeaning::parse_component() {
  const std::string_view text = text_;
  const bool owner = text.ends_with(of_owner);
  if (!owner && !text.ends_with(of_component)) return false;
  form_ = owner ? Form::owner : Form::component;
  text_.erase(text.size() - (owner ? of_owner : of_component).size());
  return true;
}

bool FieldMeaning::parse_choices() {
  constexpr std::string_view other = "else the ";
  std::vector<Choice> choices;
  std::string otherwise;
  for (std::string_view rest = text_; !rest.empty();) {
    std::string_view one = take_item(rest);
    if (one.starts_with(other) && rest.empty() && !choices.empty()) {
      otherwise = one.substr(other.size());
      break;
    }
    const std::optional<std::uint64_t> value = take_number(one);
    if (!value || !one.starts_with(' ')) return false;
    one.remove_prefix(1);
    const bool counts_on = one.starts_with("+ ");
    const std::size_t colon = one.find(": ");
    if (counts_on && colon != std::string_view::npos) one.remove_prefix(colon + 2);
    choices.push_back({*value, std::string(one), counts_on});
  }
  choices_ = std::move(choices);
  otherwise_ = std::move(otherwise);
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

std::string FieldMeaning::component(std::uint64_t number) const {
  if (components_ != nullptr && number < components_->size()) return (*components_)[number];
  return fmt::format("?{}", number);
}

std::string FieldMeaning::choice_of(std::uint64_t value) const {
  for (const Choice& choice : choices_) {
    if (choice.value == value && !choice.counts_on) return choice.name;
    if (choice.counts_on && value >= choice.value)
      return fmt::format("{} {:#x}", choice.name, value - choice.value);
  }
  if (otherwise_ == "error")
    return std::string(name_of(static_cast<Errno>(-static_cast<std::int32_t>(value))));
  return otherwise_.empty() ? std::to_string(value) : fmt::format("{} {}", otherwise_, value);
}

std::string FieldMeaning::parts_of(std::uint64_t value) const {
  std::string text;
  for (const Part& part : parts_) {
    const std::uint64_t bits = value >> part.low & (~std::uint64_t{0} >> (64 - part.bits));
    if (part.bits == 1) {
      append(text, bits == 0 ? std::string() : part.name);
    } else {
      append(text, fmt::format(
                       "{} {}", part.name,
                       part.name == "requester id" ? requester_text(bits) : std::to_string(bits)));
    }
  }
  return text;
}

std::string FieldMeaning::named(std::uint64_t value) const {
  if (form_ == Form::packed || form_ == Form::choice || form_ == Form::descriptor) return of(value);
  return used() ? fmt::format("{} {}", text_, of(value)) : std::string();
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
      return choice_of(value);
    case Form::packed:
      return parts_of(value);
    case Form::component:
      return component(value);
    case Form::owner:
      return value == 0 ? "the kernel itself" : component(value - 1);
    case Form::descriptor:
      if (value >= trace_code::riscv_command)
        return fmt::format("RISC-V command {}", value - trace_code::riscv_command);
      return vtd::name_of(static_cast<vtd::DescriptorType>(value));
    case Form::decimal:
      break;
  }
  return std::to_string(value);
}

KindMeaning::KindMeaning(const EventKindInfo& row, const std::vector<std::string>* components)
    : name(row.name),
      address(row.address, false, components),
      value(row.value, false, components),
      code(row.code, true, components) {}

bool KindMeaning::is_descriptor(const TraceEvent& event) const {
  return code.of_descriptor() && event.code < trace_code::riscv_command &&
         vtd::Descriptor::decodable(event.value);
}

std::string KindMeaning::code_of(const TraceEvent& event) const {
  return is_descriptor(event) ? vtd::text_of(event.value, event.address) : code.of(event.code);
}

std::string KindMeaning::fields_of(const TraceEvent& event) const {
  if (is_descriptor(event)) return code_of(event);
  std::string text;
  append(text, address.named(event.address));
  append(text, value.named(event.value));
  append(text, code.named(event.code));
  return text;
}

EventWords::EventWords(const std::vector<std::string>& components) : components_(components) {
  for (const EventKindInfo& row : event_kinds()) kinds_.emplace_back(row, &components);
}

std::string EventWords::of(const TraceEvent& event) const {
  const KindMeaning& kind = kinds_.at(event.kind);
  std::string text = fmt::format("{} {}", components_.at(event.component), kind.name);
  if (event.pasid != 0) text += fmt::format(", PASID {}", event.pasid);
  append(text, kind.fields_of(event));
  return text;
}

}  // namespace viosim
