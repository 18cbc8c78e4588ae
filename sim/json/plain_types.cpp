// Reading, writing and describing scalars, choices, lists and optionals.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/plain_types.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

Value::Object schema_type(std::string_view name) {
  Value::Object schema;
  add(schema, "type", name);
  return schema;
}

class TruthType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    if (const bool* truth = value.if_truth()) {
      *static_cast<bool*>(into) = *truth;
    } else {
      reject_type(value, where, expected());
    }
  }
  Value write(const void* from) const override { return Value(*static_cast<const bool*>(from)); }
  std::string expected() const override { return "true or false"; }
  std::string noun() const override { return "true or false"; }
  Value::Object schema(const void*) const override { return schema_type("boolean"); }
};

class RealType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    if (const std::optional<double> number = value.number()) {
      *static_cast<double*>(into) = *number;
    } else {
      reject_type(value, where, expected());
    }
  }
  Value write(const void* from) const override { return Value(*static_cast<const double*>(from)); }
  std::string expected() const override { return "a number such as 0.5"; }
  std::string noun() const override { return "number"; }
  Value::Object schema(const void*) const override { return schema_type("number"); }
};

class TextType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    if (const std::string* text = value.if_text()) {
      *static_cast<std::string*>(into) = *text;
    } else {
      reject_type(value, where, expected());
    }
  }
  Value write(const void* from) const override {
    return Value(*static_cast<const std::string*>(from));
  }
  std::string expected() const override { return "a text in double quotes"; }
  std::string noun() const override { return "text"; }
  Value::Object schema(const void*) const override { return schema_type("string"); }
};

class AnyType final : public JsonType {
 public:
  void read(const Value& value, const Where&, void* into) const override {
    *static_cast<Value*>(into) = value;
  }
  Value write(const void* from) const override { return *static_cast<const Value*>(from); }
  std::string expected() const override { return "any JSON value"; }
  std::string noun() const override { return "any value"; }
  Value::Object schema(const void*) const override { return {}; }
};

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "text" -> "texts", "list of texts" -> "lists of texts".
std::string plural(const std::string& noun) {
  if (noun.starts_with("list of ")) return "lists" + noun.substr(4);
  if (noun.find('"') != std::string::npos || noun == "true or false") return noun;
  return noun + 's';
}

}  // namespace

const JsonType& truth_type() {
  static const TruthType type;
  return type;
}
const JsonType& real_type() {
  static const RealType type;
  return type;
}
const JsonType& text_type() {
  static const TextType type;
  return type;
}
const JsonType& any_type() {
  static const AnyType type;
  return type;
}

void reject_type(const Value& value, const Where& where, const std::string& expected) {
  where.reject(fmt::format("read {}; expected {}", summary(value), expected));
}

void reject_choice(const Value& value, const Where& where,
                   const std::vector<std::string_view>& names) {
  std::string message = fmt::format("read {}; expected {}", summary(value), expected_choice(names));
  const std::string* text = value.if_text();
  const std::string_view nearest = text == nullptr ? "" : nearest_name(*text, names);
  if (!nearest.empty() && names.size() > 1)
    message += fmt::format("; did you mean \"{}\"?", nearest);
  where.reject(std::move(message));
}

std::string expected_choice(const std::vector<std::string_view>& names) {
  if (names.size() == 1) return quote(names[0]);
  if (names.size() == 2) return fmt::format("\"{}\" or \"{}\"", names[0], names[1]);
  return fmt::format("one of \"{}\"", fmt::join(names, "\", \""));
}

std::string plain_text(const JsonType& type, const void* from) {
  const Value value = type.write(from);
  if (value.is_null()) return "none";
  if (const std::string* text = value.if_text(); text != nullptr && !text->empty()) return *text;
  if (const Value::Array* items = value.if_array(); items != nullptr && items->empty())
    return "none";
  return to_text(value);
}

void WholeType::read(const Value& value, const Where& where, void* into) const {
  const std::optional<Wide> number = value.whole();
  if (number && *number >= access_.lowest && *number <= access_.highest)
    return access_.set(into, *number);
  std::string how = expected();
  const std::string* text = value.if_text();
  if (text != nullptr && is_digits(*text))
    how +=
        text->size() > 1 && text->front() == '0' ? ", without leading zeros" : ", without quotes";
  // A number that does not fit into 64 bits was read as a real one, whatever it looked like.
  const bool real = !number && value.number();
  if (real &&
      (value.written().empty() || value.written().find_first_of(".eE") != std::string::npos))
    how += ", without point or exponent";
  reject_type(value, where, how);
}

Value WholeType::write(const void* from) const { return Value(access_.get(from)); }

std::string WholeType::expected() const {
  return fmt::format("a whole number from {} to {}", access_.lowest, access_.highest);
}

Value::Object WholeType::schema(const void*) const {
  // Editors hold numbers as doubles: limits beyond 2^53 would be rounded, so they are left out.
  constexpr Wide exact = Wide{1} << 53U;
  Value::Object schema = schema_type("integer");
  if (access_.lowest >= -exact) add(schema, "minimum", access_.lowest);
  if (access_.highest <= exact) add(schema, "maximum", access_.highest);
  return schema;
}

void FormType::read(const Value& value, const Where& where, void* into) const {
  if (const std::string* text = value.if_text()) {
    if (access_.parse(*text, into)) return;
    const std::string why = access_.info.why(*text);
    return reject_type(value, where,
                       why.empty() ? expected() : fmt::format("{} ({})", expected(), why));
  }
  const bool bare = value.is_number();
  reject_type(value, where, bare ? fmt::format("{} in double quotes", expected()) : expected());
}

Value FormType::write(const void* from) const { return Value(access_.write(from)); }

Value::Object FormType::schema(const void*) const {
  Value::Object schema = schema_type("string");
  add(schema, "pattern", access_.info.pattern);
  return schema;
}

void ChoiceType::read(const Value& value, const Where& where, void* into) const {
  const std::string* text = value.if_text();
  for (std::size_t i = 0; text != nullptr && i < access_.choices.size(); ++i) {
    if (access_.choices[i].name == *text) return access_.set(into, i);
  }
  reject_choice(value, where, names());
}

Value ChoiceType::write(const void* from) const {
  return Value(access_.choices[access_.get(from)].name);
}

std::string ChoiceType::noun() const { return fmt::format("\"{}\"", fmt::join(names(), "\", \"")); }

Value::Object ChoiceType::schema(const void*) const {
  Value::Array values;
  std::string sentences;
  for (const Alternative& choice : access_.choices) {
    values.emplace_back(choice.name);
    if (!sentences.empty()) sentences += '\n';
    sentences += fmt::format("{}: {}", choice.name, choice.sentence);
  }
  Value::Object schema;
  add(schema, "description", std::move(sentences));
  add(schema, "enum", std::move(values));
  return schema;
}

std::vector<std::string_view> ChoiceType::names() const {
  std::vector<std::string_view> all;
  for (const Alternative& choice : access_.choices) all.push_back(choice.name);
  return all;
}

void ListType::read(const Value& value, const Where& where, void* into) const {
  const Value::Array* items = value.if_array();
  if (items == nullptr) return reject_type(value, where, expected());
  access_.clear(into);
  for (std::size_t i = 0; i < items->size() && !where.full(); ++i)
    access_.element().read((*items)[i], where / i, access_.append(into));
}

Value ListType::write(const void* from) const {
  Value::Array items;
  for (std::size_t i = 0; i < access_.size(from); ++i)
    items.push_back(access_.element().write(access_.at(from, i)));
  return Value(std::move(items));
}

std::string ListType::expected() const { return "a " + noun(); }

std::string ListType::noun() const { return "list of " + plural(access_.element().noun()); }

Value::Object ListType::schema(const void*) const {
  Value::Object schema = schema_type("array");
  add(schema, "items", access_.element().schema(access_.fresh()));
  return schema;
}

JsonType::Inside ListType::inside(const void*) const {
  Inside element = access_.element().inside(access_.fresh());
  element.suffix = "[]";
  return element;
}

void OptionalType::read(const Value& value, const Where& where, void* into) const {
  if (value.is_null()) return access_.clear(into);
  access_.content_type().read(value, where, access_.fill(into));
}

Value OptionalType::write(const void* from) const {
  const void* content = access_.content(from);
  return content == nullptr ? Value() : access_.content_type().write(content);
}

std::string OptionalType::expected() const {
  return access_.content_type().expected() + ", or null";
}

std::string OptionalType::noun() const { return access_.content_type().noun(); }

Value::Object OptionalType::schema(const void* defaults) const {
  const void* content = access_.content(defaults);
  Value::Object inner =
      access_.content_type().schema(content == nullptr ? access_.fresh() : content);
  Value::Array either;
  either.emplace_back(std::move(inner));
  either.emplace_back(schema_type("null"));
  Value::Object schema;
  add(schema, "anyOf", std::move(either));
  return schema;
}

JsonType::Inside OptionalType::inside(const void* defaults) const {
  const void* content = access_.content(defaults);
  return access_.content_type().inside(content == nullptr ? access_.fresh() : content);
}

}  // namespace viosim
