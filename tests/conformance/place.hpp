// A value of a script and where it is: what can be asked of it, and how it is refused.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace conformance {

// What is wrong with a script, and where.
class BadScript : public std::runtime_error {
 public:
  BadScript(const std::string& pointer, const std::string& read, const std::string& expected)
      : std::runtime_error(pointer + ": read " + read + ", expected " + expected) {}
};

// A script's text as it is printed: as JSON, in ASCII, so that no terminal takes a part of it for a
// command.
std::string printable(const nlohmann::json& value);
// A key as it stands in a JSON pointer (RFC 6901), printable.
std::string pointer_token(const std::string& key);
// "one of a, b": what may be there.
std::string one_of(const std::set<std::string>& names);

// A value, and the JSON pointer to it. Whatever is not as it is asked to be throws BadScript.
class Place {
 public:
  Place(const nlohmann::json& value, std::string pointer)
      : value_(value), pointer_(std::move(pointer)) {}

  [[noreturn]] void refuse(const std::string& expected) const;
  [[noreturn]] void refuse(const std::string& read, const std::string& expected) const;
  Place at(const std::string& key) const;  // there must be one
  Place at(std::size_t index) const;       // the same
  std::vector<Place> elements() const;
  std::string string() const;
  bool has(const std::string& key) const { return value_.contains(key); }
  bool null() const { return value_.is_null(); }
  // Of a number that is_number() let pass.
  std::int64_t number() const { return value_.get<std::int64_t>(); }

  void keys_are_among(const std::set<std::string>& names) const;
  void is_among(const std::set<std::string>& names, const std::string& or_else = "") const;
  // A whole number that is written as one, from 0 to `max` or one of those.
  void is_number(std::uint64_t max, const std::vector<std::int64_t>& or_else = {}) const;
  void has_size(std::size_t size, const std::string& what) const;
  void is_new_in(std::set<std::string>& names) const;

 private:
  const nlohmann::json& value_;
  std::string pointer_;
};

}  // namespace conformance
