// Values of scripts, asked for what they are.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/place.hpp"

#include <algorithm>

namespace conformance {
namespace {

using nlohmann::json;

// What was read, short: a structure is only named.
std::string text_of(const json& value) {
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  const std::string text = printable(value);
  return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

std::string numbers_to(std::uint64_t max, const std::vector<std::int64_t>& or_else) {
  std::string text = max == 0 ? "0" : "a whole number from 0 to " + std::to_string(max);
  for (const std::int64_t number : or_else)
    text += (number == or_else.back() ? " or " : ", ") + std::to_string(number);
  return text;
}

}  // namespace

std::string printable(const json& value) { return value.dump(-1, ' ', true); }

std::string pointer_token(const std::string& key) {
  std::string token;
  for (const char c : key) {
    if (c == '~')
      token += "~0";
    else if (c == '/')
      token += "~1";
    else
      token += c;
  }
  const std::string quoted = printable(token);
  return quoted.substr(1, quoted.size() - 2);
}

std::string one_of(const std::set<std::string>& names) {
  if (names.empty()) return "nothing: there is none";
  std::string text = names.size() == 1 ? "" : "one of ";
  for (const std::string& name : names)
    text += (name == *names.begin() ? "" : ", ") + pointer_token(name);
  return text;
}

void Place::refuse(const std::string& expected) const { refuse(text_of(value_), expected); }

void Place::refuse(const std::string& read, const std::string& expected) const {
  throw BadScript(pointer_.empty() ? "the script" : pointer_, read, expected);
}

Place Place::at(const std::string& key) const {
  if (!value_.is_object()) refuse("an object");
  const auto found = value_.find(key);
  const std::string pointer = pointer_ + "/" + pointer_token(key);
  if (found == value_.end()) throw BadScript(pointer, "nothing", "a value");
  return {*found, pointer};
}

Place Place::at(std::size_t index) const {
  const std::vector<Place> all = elements();
  if (index < all.size()) return all[index];
  throw BadScript(pointer_ + "/" + std::to_string(index), "nothing", "a value");
}

std::vector<Place> Place::elements() const {
  if (!value_.is_array()) refuse("an array");
  std::vector<Place> places;
  for (std::size_t i = 0; i < value_.size(); ++i)
    places.emplace_back(value_[i], pointer_ + "/" + std::to_string(i));
  return places;
}

std::string Place::string() const {
  if (!value_.is_string()) refuse("a string");
  return value_.get<std::string>();
}

void Place::keys_are_among(const std::set<std::string>& names) const {
  if (!value_.is_object()) refuse("an object");
  for (const auto& [key, value] : value_.items())
    if (!names.contains(key))
      throw BadScript(pointer_ + "/" + pointer_token(key), "this key", one_of(names));
}

void Place::is_among(const std::set<std::string>& names, const std::string& or_else) const {
  if (!value_.is_string() || !names.contains(string())) refuse(or_else + one_of(names));
}

void Place::is_number(std::uint64_t max, const std::vector<std::int64_t>& or_else) const {
  if (value_.is_number_unsigned() && value_.get<std::uint64_t>() <= max) return;
  const bool other = value_.is_number_integer() && !value_.is_number_unsigned() &&
                     (number() == 0 ||  // "-0"
                      std::find(or_else.begin(), or_else.end(), number()) != or_else.end());
  if (!other) refuse(numbers_to(max, or_else));
}

void Place::has_size(std::size_t size, const std::string& what) const {
  const std::size_t elements = this->elements().size();
  if (elements != size)
    refuse("an array of " + std::to_string(elements), std::to_string(size) + " elements: " + what);
}

void Place::is_new_in(std::set<std::string>& names) const {
  if (!names.insert(string()).second) refuse("a name of its own");
}

}  // namespace conformance
