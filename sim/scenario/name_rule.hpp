// What the name of a component may look like.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/limits.hpp"

#include <algorithm>
#include <string_view>

namespace viosim {

// Letters, digits, '-' and '_'.
constexpr bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// No dots: they part the names of a path.
inline constexpr TextRule component_name{
    [](std::string_view name) { return !name.empty() && name.size() <= 64 && is_plain(name); },
    "1 to 64 letters, digits, '-' or '_'", "^[A-Za-z0-9_-]{1,64}$"};

}  // namespace viosim
