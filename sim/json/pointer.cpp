// Finds the place that a JSON pointer names, and says what is there when it is none.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/pointer.hpp"

#include "core/base/error.hpp"
#include "sim/json/parse.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <vector>

namespace viosim {
namespace {

constexpr std::string_view option = "--set";

[[noreturn]] void reject(std::string_view pointer, std::string message) {
  throw ConfigError(Problem{std::string(option), std::string(pointer), std::move(message)});
}

// The command line may hold any bytes; documents and messages hold UTF-8 only.
void check_utf8(std::string_view text) {
  try {
    parse_json(quote(text), std::string(option));
  } catch (const ConfigError&) {
    reject("", "the pointer and its value must be text in UTF-8");
  }
}

// "a~1b" -> "a/b"; nothing when a ~ is not followed by 0 or 1.
std::optional<std::string> unescape(std::string_view token) {
  std::string text;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      text += token[i];
      continue;
    }
    if (++i == token.size() || (token[i] != '0' && token[i] != '1')) return std::nullopt;
    text += token[i] == '0' ? '~' : '/';
  }
  return text;
}

std::vector<std::string> tokens_of(std::string_view pointer) {
  if (!pointer.starts_with('/'))
    reject("", fmt::format("read {}; expected a JSON pointer such as \"/hosts/0/name\", which "
                           "begins with '/'",
                           quote_short(pointer)));
  std::vector<std::string> tokens;
  std::size_t at = 0;
  while (at != std::string_view::npos) {
    const std::size_t next = pointer.find('/', at + 1);
    std::optional<std::string> token = unescape(pointer.substr(at + 1, next - at - 1));
    if (!token) reject(pointer, "a '~' must be written as ~0, and a '/' in a key as ~1");
    tokens.push_back(std::move(*token));
    at = next;
  }
  if (tokens.size() > json_depth_limit)
    reject(pointer, fmt::format("goes more than {} levels deep", json_depth_limit));
  return tokens;
}

Value& item_of(Value::Array& items, const std::string& token, std::string_view pointer) {
  std::size_t index = 0;
  const char* last = token.data() + token.size();
  const auto [end, error] = std::from_chars(token.data(), last, index);
  const bool plain = error == std::errc() && end == last && (token.size() == 1 || token[0] != '0');
  if (plain && index < items.size()) return items[index];
  std::string expected = items.empty()       ? "the list is empty"
                         : items.size() == 1 ? "the list has one item, number 0"
                                             : fmt::format("the list has {} items, number 0 to {}",
                                                           items.size(), items.size() - 1);
  reject(pointer, fmt::format("read {} as a place in a list; {}", quote_short(token), expected));
}

Value& below(Value& value, const std::string& token, std::string_view pointer) {
  if (Value::Array* items = value.if_array()) return item_of(*items, token, pointer);
  Value::Object* members = value.if_object();
  if (members == nullptr)
    reject(pointer, fmt::format("{} is not an object or list, so there is no {} in it",
                                summary(value), quote_short(token)));
  if (Value* member = find(*members, token)) return *member;
  members->push_back({token, Value(Value::Object())});
  return members->back().value;
}

Value value_of(std::string_view pointer, std::string_view text) {
  try {
    return parse_json(text, std::string(option));
  } catch (const ConfigError& error) {
    // What opens like JSON was meant as JSON; anything else is a text without its quotes.
    if (text.find_first_of("{[\"") == 0) {
      const Problem& problem = error.problems().front();
      reject(pointer, fmt::format("{} of the value: {}", problem.pointer, problem.message));
    }
    return Value(text);
  }
}

}  // namespace

void set_pointer(Value& document, std::string_view pointer, Value content) {
  Value* at = &document;
  for (const std::string& token : tokens_of(pointer)) at = &below(*at, token, pointer);
  *at = std::move(content);
}

void set_pointer(Value& document, std::string_view pointer, std::string_view text) {
  check_utf8(pointer);
  check_utf8(text);
  set_pointer(document, pointer, value_of(pointer, text));
}

void set_assignment(Value& document, std::string_view assignment) {
  check_utf8(assignment);
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos)
    reject("", fmt::format("read {}; expected a pointer and a value such as \"/seed=7\"",
                           quote_short(assignment)));
  set_pointer(document, assignment.substr(0, equals), assignment.substr(equals + 1));
}

}  // namespace viosim
