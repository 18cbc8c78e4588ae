// What an axis of a sweep puts into its scenario: JSON values at JSON pointers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/text_form.hpp"
#include "sim/json/type.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// RFC 6901: "/hosts/0/name".
struct JsonPointer {
  std::string text;
  bool operator==(const JsonPointer&) const = default;

  // Whether one is the other, or leads to it: of two such the later one would undo the earlier.
  bool meets(const JsonPointer& other) const;
};

template <>
struct TextForm<JsonPointer> {
  static const TextFormInfo info;
  static std::optional<JsonPointer> parse(std::string_view text);
  static std::string write(const JsonPointer& pointer) { return pointer.text; }
};

struct Setting {
  JsonPointer pointer;
  Value value;
  bool operator==(const Setting&) const = default;
};

// Written as an object: {"/hosts/0/iommus/0/walkers": 4, "/duration": "2 ms"}.
struct Settings {
  std::vector<Setting> all;
  bool operator==(const Settings&) const = default;
  static const JsonType& json_type();
};

// Puts them into a document. Throws ConfigError.
void apply(const Settings& settings, Value& document);

}  // namespace viosim
