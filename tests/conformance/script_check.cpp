// The rules of FORMAT.md, one by one.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/script_check.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <vector>

namespace conformance {
namespace {

using nlohmann::json;

constexpr std::uint64_t id_max = 0xffffffff;
// Answers are written as signed numbers, the negative ones being errors.
constexpr std::uint64_t token_max = 0x7fffffffffffffff;

// What was read, short: a structure is only named.
std::string text_of(const json& value) {
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  const std::string text = value.dump();
  return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

std::string one_of(const std::set<std::string>& names) {
  if (names.empty()) return "nothing: there is none";
  std::string text = names.size() == 1 ? "" : "one of ";
  for (const std::string& name : names) text += (name == *names.begin() ? "" : ", ") + name;
  return text;
}

// A value, and the JSON pointer to it.
class Place {
 public:
  Place(const json& value, std::string pointer) : value_(value), pointer_(std::move(pointer)) {}

  [[noreturn]] void refuse(const std::string& expected) const {
    throw BadScript(pointer_.empty() ? "the script" : pointer_, text_of(value_), expected);
  }
  Place at(const std::string& key) const {
    if (!value_.is_object()) refuse("an object");
    const auto found = value_.find(key);
    if (found == value_.end()) throw BadScript(pointer_ + "/" + key, "nothing", "a value");
    return {*found, pointer_ + "/" + key};
  }
  std::vector<Place> elements() const {
    if (!value_.is_array()) refuse("an array");
    std::vector<Place> places;
    for (std::size_t i = 0; i < value_.size(); ++i)
      places.emplace_back(value_[i], pointer_ + "/" + std::to_string(i));
    return places;
  }
  void keys_are_among(const std::set<std::string>& names) const {
    if (!value_.is_object()) refuse("an object");
    for (const auto& [key, value] : value_.items())
      if (!names.contains(key)) throw BadScript(pointer_ + "/" + key, "this key", one_of(names));
  }
  std::string string() const {
    if (!value_.is_string()) refuse("a string");
    return value_.get<std::string>();
  }
  void is_among(const std::set<std::string>& names, const std::string& or_else = "") const {
    if (!value_.is_string() || !names.contains(string())) refuse(or_else + one_of(names));
  }
  bool has(const char* key) const { return value_.contains(key); }
  bool null() const { return value_.is_null(); }
  // A whole number that is written as one.
  void is_number_to(std::uint64_t max) const {
    const bool whole = value_.is_number_unsigned() && value_.get<std::uint64_t>() <= max;
    if (!whole) refuse("a whole number from 0 to " + std::to_string(max));
  }
  void is_whole() const {
    if (!value_.is_number_integer()) refuse("a whole number");
  }
  void is_new_in(std::set<std::string>& names, const std::string& what) const {
    if (!names.insert(string()).second) refuse(what + " of its own");
  }

 private:
  const json& value_;
  std::string pointer_;
};

const std::set<std::string> pairs{"host0", "host1", "host2", "host0:altfree", "host0:altalloc",
                                  "vcmd0", "vcmd1", "fail0", "feed0",         "feed1"};
const std::set<std::string> feeds{"feed0", "feed1"};
const std::set<std::string> hosts{"host0", "host1", "host2", "vcmd0", "vcmd1"};
const std::set<std::string> getters{"none", "true", "false"};

struct Names {
  std::set<std::string> sets;
  std::set<std::string> allocators;
};

using Check = void (*)(const Place& value, const Names& names);
void id(const Place& value, const Names&) { value.is_number_to(id_max); }
void token(const Place& value, const Names&) { value.is_number_to(token_max); }
void getter(const Place& value, const Names&) { value.is_among(getters); }
void feed(const Place& value, const Names&) { value.is_among(feeds); }
void host(const Place& value, const Names&) { value.is_among(hosts); }
void allocator(const Place& value, const Names& names) { value.is_among(names.allocators); }
void set_or_null(const Place& value, const Names& names) {
  if (!value.null()) value.is_among(names.sets, "null or ");
}

// The fields of each operation, besides `op` and `expect`.
using Fields = std::map<std::string, Check>;
const std::map<std::string, Fields> operations{
    {"alloc", {{"set", set_or_null}, {"min", id}, {"max", id}, {"tok", token}}},
    {"alloc_run", {{"set", set_or_null}, {"min", id}, {"max", id}, {"tok", token}, {"n", id}}},
    {"free", {{"id", id}}},
    {"free_run", {{"from", id}, {"to", id}}},
    {"find", {{"set", set_or_null}, {"id", id}, {"getter", getter}}},
    {"set_data", {{"id", id}, {"tok", token}}},
    {"register", {{"al", allocator}}},
    {"unregister", {{"al", allocator}}},
    {"feed", {{"pair", feed}, {"id", id}}},
    {"reserve", {{"pair", host}, {"id", id}}},
    {"release", {{"pair", host}, {"id", id}}},
};

template <class Value>
std::set<std::string> keys_of(const std::map<std::string, Value>& map, std::set<std::string> more) {
  for (const auto& [key, value] : map) more.insert(key);
  return more;
}

void check_expectation(const Place& place) {
  place.keys_are_among({"r", "g", "calls", "log", "runs", "unknown"});
  for (const char* number : {"r", "g", "unknown"})
    if (place.has(number)) place.at(number).is_whole();
}

void check_operation(const Place& place, const Names& names) {
  const Place name = place.at("op");
  name.is_among(keys_of(operations, {}));
  const Fields& fields = operations.at(name.string());
  place.keys_are_among(keys_of(fields, {"op", "expect"}));
  for (const auto& [key, check] : fields) check(place.at(key), names);
  check_expectation(place.at("expect"));
}

}  // namespace

void check_script(const json& script) {
  const Place all(script, "");
  all.keys_are_among(
      {"name", "kind", "seed", "profile", "note", "tags", "sets", "allocators", "ops"});
  static_cast<void>(all.at("name").string());
  Names names;
  for (const Place& set : all.at("sets").elements()) set.is_new_in(names.sets, "a name");
  for (const Place& allocator : all.at("allocators").elements()) {
    allocator.keys_are_among({"name", "pair", "pdata"});
    allocator.at("name").is_new_in(names.allocators, "a name");
    allocator.at("pair").is_among(pairs);
    allocator.at("pdata").is_number_to(token_max);
  }
  for (const Place& op : all.at("ops").elements()) check_operation(op, names);
}

}  // namespace conformance
