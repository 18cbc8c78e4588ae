// The rules of FORMAT.md, one by one.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/script_check.hpp"

#include "tests/conformance/expectation_check.hpp"
#include "tests/conformance/place.hpp"

#include <map>
#include <set>
#include <string>

namespace conformance {
namespace {

using nlohmann::json;

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
void id(const Place& value, const Names&) { value.is_number(id_max); }
void token(const Place& value, const Names&) { value.is_number(token_max); }
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

// Which allocator is active, as far as the recorded answers tell: the default one until a custom one
// is registered, and again when that is said.
void follow(const std::string& operation, const Place& expect, bool& custom) {
  if (operation == "register" && expect.at("r").number() == 0) custom = true;
  if (!expect.has("log")) return;
  for (const Place& line : expect.at("log").elements())
    if (line.string() == "info:to_default") custom = false;
}

void check_operation(const Place& place, const Names& names, bool& custom) {
  const Place name = place.at("op");
  name.is_among(keys_of(operations, {}));
  const Fields& fields = operations.at(name.string());
  place.keys_are_among(keys_of(fields, {"op", "expect"}));
  for (const auto& [key, check] : fields) check(place.at(key), names);
  check_expectation(name.string(), place);
  if (custom && name.string() == "alloc_run")
    name.refuse("\"alloc_run\" while a custom allocator is active", "the default allocator to be");
  follow(name.string(), place.at("expect"), custom);
}

// What is not replayed.
void check_remarks(const Place& script) {
  if (script.has("kind")) script.at("kind").is_among({"directed", "random"});
  if (script.has("seed")) script.at("seed").is_number(token_max);
  for (const char* text : {"profile", "note"})
    if (script.has(text)) static_cast<void>(script.at(text).string());
  if (script.has("tags"))
    for (const Place& tag : script.at("tags").elements()) static_cast<void>(tag.string());
}

}  // namespace

void check_script(const json& script) {
  const Place all(script, "");
  all.keys_are_among(
      {"name", "kind", "seed", "profile", "note", "tags", "sets", "allocators", "ops"});
  static_cast<void>(all.at("name").string());
  check_remarks(all);
  Names names;
  for (const Place& set : all.at("sets").elements()) set.is_new_in(names.sets);
  for (const Place& allocator : all.at("allocators").elements()) {
    allocator.keys_are_among({"name", "pair", "pdata"});
    allocator.at("name").is_new_in(names.allocators);
    allocator.at("pair").is_among(pairs);
    allocator.at("pdata").is_number(token_max);
  }
  bool custom = false;
  for (const Place& op : all.at("ops").elements()) check_operation(op, names, custom);
}

}  // namespace conformance
