// The answers of FORMAT.md: which operation has which, and of what form.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/expectation_check.hpp"

#include <map>
#include <set>
#include <string_view>

namespace conformance {
namespace {

constexpr std::uint64_t last_id = id_max - 1;
const std::vector<std::int64_t> or_invalid{-1};

const std::set<std::string> alloc_helpers{"host0.alloc", "host0.altalloc", "host1.alloc",
                                          "host2.alloc", "vcmd0.alloc",    "vcmd1.alloc",
                                          "fail0.alloc", "feed0.alloc",    "feed1.alloc"};
const std::set<std::string> free_helpers{"host0.free", "host0.altfree", "host1.free",
                                         "host2.free", "vcmd0.free",    "vcmd1.free",
                                         "fail0.free", "feed0.free",    "feed1.free"};
const std::set<std::string> messages{"err:range",        "err:alloc",       "err:track",
                                     "err:free_unknown", "err:dup",         "warn:default_busy",
                                     "warn:no_custom",   "info:to_default", "info:changed",
                                     "WARN:outstanding"};

// Each is given the value and the operation.
using Check = void (*)(const Place& value, const Place& operation);

void new_id(const Place& value, const Place&) { value.is_number(last_id, or_invalid); }
void token(const Place& value, const Place&) { value.is_number(token_max); }
void found(const Place& value, const Place&) { value.is_number(token_max, {-2, -13}); }
void data_set(const Place& value, const Place&) { value.is_number(0, {-2}); }
void registered(const Place& value, const Place&) { value.is_number(0, {-11, -17}); }

void log(const Place& value, const Place&) {
  for (const Place& line : value.elements()) line.is_among(messages);
}

void calls(const Place& value, const Place&) {
  for (const Place& call : value.elements()) {
    const Place name = call.at(0);
    std::set<std::string> helpers = alloc_helpers;
    helpers.insert(free_helpers.begin(), free_helpers.end());
    name.is_among(helpers);
    call.at(1).is_number(token_max);
    if (free_helpers.contains(name.string())) {
      call.has_size(3, "helper, pdata, id");
      call.at(2).is_number(last_id);
    } else {
      call.has_size(5, "helper, pdata, min, max, result");
      call.at(2).is_number(id_max);
      call.at(3).is_number(id_max);
      call.at(4).is_number(last_id, or_invalid);
    }
  }
}

void runs(const Place& value, const Place& operation) {
  std::int64_t results = 0;
  for (const Place& run : value.elements()) {
    run.has_size(2, "first, count");
    run.at(0).is_number(last_id, or_invalid);
    run.at(1).is_number(id_max);
    results += run.at(1).number();
  }
  const std::int64_t n = operation.at("n").number();
  if (results != n)
    value.refuse("runs of " + std::to_string(results) + " results", "n, " + std::to_string(n));
}

// Of how many that the operation names.
void unknown(const Place& value, const Place& operation) {
  const std::int64_t from = operation.at("from").number();
  const std::int64_t to = operation.at("to").number();
  value.is_number(static_cast<std::uint64_t>((from < to ? to - from : from - to) + 1));
}

// What each operation answers always, and what only when there is something.
struct Answers {
  std::map<std::string, Check> always;
  std::map<std::string, Check> sometimes;
};
const std::map<std::string, Answers, std::less<>> answers{
    {"alloc", {{{"r", new_id}}, {{"calls", calls}, {"log", log}}}},
    {"alloc_run", {{{"runs", runs}}, {}}},
    {"free", {{}, {{"calls", calls}, {"log", log}}}},
    {"free_run", {{{"unknown", unknown}}, {{"calls", calls}}}},
    {"find", {{{"r", found}}, {{"g", token}}}},
    {"set_data", {{{"r", data_set}}, {}}},
    {"register", {{{"r", registered}}, {{"log", log}}}},
    {"unregister", {{}, {{"log", log}}}},
    {"feed", {}},
    {"reserve", {}},
    {"release", {}},
};

}  // namespace

void check_expectation(const std::string& name, const Place& operation) {
  const Place expect = operation.at("expect");
  const auto& [always, sometimes] = answers.at(name);
  std::set<std::string> keys;
  for (const auto& [key, check] : always) keys.insert(key);
  for (const auto& [key, check] : sometimes) keys.insert(key);
  expect.keys_are_among(keys);
  for (const auto& [key, check] : always) check(expect.at(key), operation);
  for (const auto& [key, check] : sometimes)
    if (expect.has(key)) check(expect.at(key), operation);
}

}  // namespace conformance
