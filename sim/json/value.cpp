// Writes JSON text; finds members; names values for messages.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/value.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace viosim {
namespace {

void write_indent(std::string& out, Layout layout, int depth) {
  if (layout == Layout::one_line) return;
  out += '\n';
  out.append(static_cast<std::size_t>(depth) * 2, ' ');
}

// Shortest digits that read back as the same double, and always recognisable as one.
std::string write_real(double number) {
  ensure(std::isfinite(number), "JSON has no infinity and no NaN");
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void write_value(std::string& out, const Value& value, Layout layout, int depth);

void write_array(std::string& out, const Value::Array& items, Layout layout, int depth) {
  out += '[';
  for (const Value& item : items) {
    if (&item != &items.front()) out += layout == Layout::one_line ? ", " : ",";
    write_indent(out, layout, depth + 1);
    write_value(out, item, layout, depth + 1);
  }
  if (!items.empty()) write_indent(out, layout, depth);
  out += ']';
}

void write_object(std::string& out, const Value::Object& members, Layout layout, int depth) {
  out += '{';
  for (const Value::Member& member : members) {
    if (&member != &members.front()) out += layout == Layout::one_line ? ", " : ",";
    write_indent(out, layout, depth + 1);
    out += quote(member.key) + ": ";
    write_value(out, member.value, layout, depth + 1);
  }
  if (!members.empty()) write_indent(out, layout, depth);
  out += '}';
}

void write_value(std::string& out, const Value& value, Layout layout, int depth) {
  if (const Value::Object* members = value.if_object())
    return write_object(out, *members, layout, depth);
  if (const Value::Array* items = value.if_array()) return write_array(out, *items, layout, depth);
  if (const std::string* text = value.if_text()) {
    out += quote(*text);
  } else if (const bool* truth = value.if_truth()) {
    out += *truth ? "true" : "false";
  } else if (const std::optional<Wide> whole = value.whole()) {
    out += fmt::format("{}", *whole);
  } else if (const std::optional<double> number = value.number()) {
    out += write_real(*number);
  } else {
    out += "null";
  }
}

std::string counted(std::size_t count, std::string_view one, std::string_view container) {
  if (count == 0) return fmt::format("an empty {}", container);
  const std::string_view article = container == "object" ? "an" : "a";
  return fmt::format("{} {} of {} {}{}", article, container, count, one, count == 1 ? "" : "s");
}

}  // namespace

// All of these need Member to be complete, which it is not inside the class.
Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

Value::Value(bool truth) : data_(truth) {}
Value::Value(Wide number) {
  ensure(number >= std::numeric_limits<std::int64_t>::min() &&
             number <= std::numeric_limits<std::uint64_t>::max(),
         "a number beyond 64 bits");
  // One form for each number, so that equal numbers are equal values.
  if (number < 0) {
    data_ = static_cast<std::int64_t>(number);
  } else {
    data_ = static_cast<std::uint64_t>(number);
  }
}
Value::Value(double number, std::string written) : data_(Real{number, std::move(written)}) {}
Value::Value(std::string text) : data_(std::move(text)) {}
Value::Value(std::string_view text) : data_(std::string(text)) {}
Value::Value(const char* text) : data_(std::string(text)) {}
Value::Value(Array items) : data_(std::move(items)) {}
Value::Value(Object members) : data_(std::move(members)) {}

std::optional<Wide> Value::whole() const {
  if (const auto* negative = std::get_if<std::int64_t>(&data_)) return *negative;
  if (const auto* positive = std::get_if<std::uint64_t>(&data_)) return *positive;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* real = std::get_if<Real>(&data_)) return real->number;
  if (const std::optional<Wide> integer = whole()) return static_cast<double>(*integer);
  return std::nullopt;
}

std::string_view Value::written() const {
  const auto* real = std::get_if<Real>(&data_);
  return real == nullptr ? std::string_view() : real->written;
}

bool Value::operator==(const Value& other) const { return data_ == other.data_; }

const Value* find(const Value::Object& object, std::string_view key) {
  for (const Value::Member& member : object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Value* find(Value::Object& object, std::string_view key) {
  for (Value::Member& member : object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string to_text(const Value& value, Layout layout) {
  std::string out;
  write_value(out, value, layout, 0);
  return out;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string quote_short(std::string_view text) {
  constexpr std::size_t longest = 48;
  if (text.size() <= longest) return quote(text);
  std::size_t end = longest - 3;
  // Never cut a UTF-8 sequence in two.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return quote(std::string(text.substr(0, end)) + "...");
}

std::string summary(const Value& value) {
  if (const Value::Object* members = value.if_object())
    return counted(members->size(), "key", "object");
  if (const Value::Array* items = value.if_array()) return counted(items->size(), "value", "list");
  if (const std::string* text = value.if_text()) return quote_short(*text);
  if (const std::string_view written = value.written(); !written.empty()) {
    const std::string quoted = quote_short(written);  // it may be long
    return quoted.substr(1, quoted.size() - 2);
  }
  return to_text(value);
}

}  // namespace viosim
