// A JSON document in memory, as its author ordered it. Nothing here knows how JSON is parsed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace viosim {

// Wide enough for every std::int64_t and every std::uint64_t.
__extension__ using Wide = __int128;

class Value {
 public:
  struct Member;
  using Array = std::vector<Value>;
  using Object = std::vector<Member>;  // the order of the file; keys are unique

  Value();  // null
  explicit Value(bool truth);
  template <std::integral I>
  requires(!std::same_as<I, bool>) explicit Value(I number) : Value(static_cast<Wide>(number)) {}
  explicit Value(Wide number);  // of 64 bits, with or without a sign
  // `written`: as it stands in a text, where that differs from how we write it.
  explicit Value(double number, std::string written = {});
  explicit Value(std::string text);
  explicit Value(std::string_view text);
  explicit Value(const char* text);
  explicit Value(Array items);
  explicit Value(Object members);
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  const bool* if_truth() const { return std::get_if<bool>(&data_); }
  const std::string* if_text() const { return std::get_if<std::string>(&data_); }
  const Array* if_array() const { return std::get_if<Array>(&data_); }
  const Object* if_object() const { return std::get_if<Object>(&data_); }
  Array* if_array() { return std::get_if<Array>(&data_); }
  Object* if_object() { return std::get_if<Object>(&data_); }

  bool is_number() const { return whole() || std::holds_alternative<Real>(data_); }
  std::optional<Wide> whole() const;     // a number written without point and exponent
  std::optional<double> number() const;  // any number
  // How a number with point or exponent, or of more than 64 bits, was written; empty when unknown.
  std::string_view written() const;

  bool operator==(const Value& other) const;

 private:
  struct Real {
    double number;
    std::string written;
    bool operator==(const Real& other) const { return number == other.number; }
  };
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, Real, std::string, Array, Object>
      data_;
};

struct Value::Member {
  std::string key;
  Value value;
  bool operator==(const Member&) const = default;
};

// The member of that name, or nullptr.
const Value* find(const Value::Object& object, std::string_view key);
Value* find(Value::Object& object, std::string_view key);

// Appends a member; for building documents.
template <class T>
void add(Value::Object& object, std::string_view key, T&& content) {
  object.push_back({std::string(key), Value(std::forward<T>(content))});
}

// JSON text that reads back as the same value: on one line, or indented for people.
enum class Layout { one_line, indented };
std::string to_text(const Value& value, Layout layout = Layout::one_line);

// The text in double quotes, escaped as JSON asks.
std::string quote(std::string_view text);

// What a value is, in a few words, for messages: `"eight"`, `-3`, `a list of 12 values`.
std::string summary(const Value& value);

// The text in double quotes, cut short when it is long.
std::string quote_short(std::string_view text);

}  // namespace viosim
