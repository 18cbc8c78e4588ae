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

// Editors hold numbers as doubles: limits beyond 2^53 would be rounded, so they are left out.
bool is_exact(const Value& limit) {
  constexpr Wide exact = Wide{1} << 53U;
  const std::optional<Wide> whole = limit.whole();
  return !whole || (*whole >= -exact && *whole <= exact);
}

void add_range(Value::Object& schema, const ValueBounds& bounds) {
  if (bounds.lowest && is_exact(*bounds.lowest))
    add(schema, bounds.lowest_excluded ? "exclusiveMinimum" : "minimum", *bounds.lowest);
  if (bounds.highest && is_exact(*bounds.highest))
    add(schema, bounds.highest_excluded ? "exclusiveMaximum" : "maximum", *bounds.highest);
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

// "I1, I2" -> ["I1", "I2"]
Value::Array names_in(std::string_view list) {
  constexpr std::string_view separator = ", ";
  Value::Array names;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(separator));
    names.emplace_back(name);
    list.remove_prefix(std::min(name.size() + separator.size(), list.size()));
  }
  return names;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// What is expected, what is to be said of its form, and its range.
std::string expected_form(const TextFormInfo& info, std::string_view form,
                          const std::string& limits) {
  return fmt::format("{}{}{}{}", info.expected, form, limits.empty() ? "" : ", ", limits);
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

void RealType::read(const Value& value, const Where& where, void* into) const {
  const std::optional<double> number = value.number();
  if (!number) return reject_type(value, where, expected());
  *static_cast<double*>(into) = *number;
  if (bounds_.allow != nullptr && !bounds_.allow(into)) reject_type(value, where, expected());
}

Value RealType::write(const void* from) const { return Value(*static_cast<const double*>(from)); }

std::string RealType::expected() const {
  return bounds_.allow == nullptr ? "a number such as 0.5" : words(bounds_, "a number");
}

Value::Object RealType::schema(const void*) const {
  Value::Object schema = schema_type("number");
  add_range(schema, bounds_);
  return schema;
}

void TextType::read(const Value& value, const Where& where, void* into) const {
  const std::string* text = value.if_text();
  if (text == nullptr) return reject_type(value, where, expected());
  *static_cast<std::string*>(into) = *text;
  if (!limits_.allow(*text)) reject_type(value, where, limits());
}

Value TextType::write(const void* from) const {
  return Value(*static_cast<const std::string*>(from));
}

std::string TextType::limits() const {
  const TextRule& rule = limits_.rule;
  return std::string(rule.expected) + (rule.list == nullptr ? std::string() : rule.list());
}

std::string TextType::expected() const {
  return fmt::format("a text in double quotes{}{}", limits_.any() ? ": " : "", limits());
}

Value::Object TextType::schema(const void*) const {
  Value::Object schema = schema_type("string");
  if (!limits_.rule.pattern.empty()) add(schema, "pattern", limits_.rule.pattern);
  if (limits_.rule.list != nullptr) add(schema, "enum", names_in(limits_.rule.list()));
  return schema;
}

void WholeType::read(const Value& value, const Where& where, void* into) const {
  const std::optional<Wide> number = value.whole();
  if (number && *number >= access_.lowest && *number <= access_.highest) {
    access_.set(into, *number);
    if (bounds_.allow == nullptr || bounds_.allow(into)) return;
  }
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

ValueBounds WholeType::whole_bounds() const {
  ValueBounds all = bounds_;
  const Wide lowest = bounds_.power_of_two ? std::max<Wide>(1, access_.lowest) : access_.lowest;
  if (!all.lowest) all.lowest = Value(lowest);
  if (!all.highest) all.highest = Value(access_.highest);
  return all;
}

std::string WholeType::expected() const { return words(whole_bounds(), "a whole number"); }

Value::Object WholeType::schema(const void*) const {
  Value::Object schema = schema_type("integer");
  if (!bounds_.listed.empty()) {
    add(schema, "enum", bounds_.listed);
    return schema;
  }
  const ValueBounds bounds = whole_bounds();
  if (bounds.power_of_two) {
    Value::Array powers;
    for (Wide power = 1; power <= *bounds.highest->whole(); power *= 2)
      if (power >= *bounds.lowest->whole()) powers.emplace_back(power);
    add(schema, "enum", std::move(powers));
    return schema;
  }
  add_range(schema, bounds);
  if (bounds.divisor) add(schema, "multipleOf", *bounds.divisor);
  return schema;
}

void FormType::read(const Value& value, const Where& where, void* into) const {
  if (const std::string* text = value.if_text()) {
    if (access_.parse(*text, into)) {
      if (bounds_.allow != nullptr && !bounds_.allow(into)) reject_type(value, where, limits());
      return;
    }
    const std::string why = access_.info.why(*text);
    return reject_type(
        value, where,
        expected_form(access_.info, why.empty() ? "" : fmt::format(" ({})", why), limits()));
  }
  reject_type(value, where,
              expected_form(access_.info, value.is_number() ? " in double quotes" : "", limits()));
}

Value FormType::write(const void* from) const { return Value(access_.write(from)); }

std::string FormType::expected() const { return expected_form(access_.info, "", limits()); }

Value::Object FormType::schema(const void*) const {
  Value::Object schema = schema_type("string");
  // JSON Schema cannot compare quantities: their range is for who reads it.
  if (bounds_.allow != nullptr) add(schema, "description", sentence_of(unquoted(limits())));
  if (bounds_.listed.empty()) {
    add(schema, "pattern", access_.info.pattern);
  } else {
    add(schema, "enum", bounds_.listed);
  }
  return schema;
}

void RuledType::read(const Value& value, const Where& where, void* into) const {
  const std::size_t before = where.problem_count();
  type_.read(value, where, into);
  if (where.problem_count() == before && !allow_(into)) reject_type(value, where, expected());
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
  if (!limits_.allow(items->size())) reject_type(value, where, expected());
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

std::string ListType::expected() const {
  return fmt::format("a {}{}{}", noun(), limits_.any() ? ", " : "", limits());
}

std::string ListType::noun() const { return "list of " + plural(access_.element().noun()); }

Value::Object ListType::schema(const void*) const {
  Value::Object schema = schema_type("array");
  add(schema, "items", access_.element().schema(access_.fresh()));
  if (limits_.lowest > 0) add(schema, "minItems", limits_.lowest);
  if (limits_.highest) add(schema, "maxItems", *limits_.highest);
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
