// A file of a folder `parts`: something to stand where it is named.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/json/value.hpp"

#include <string>
#include <string_view>

namespace viosim {

bool is_part_name(std::string_view name);

// A path below `parts` that does not lead out of it, without ".json".
inline constexpr TextRule part_name{&is_part_name,
                                    "the name of a part such as \"links/pcie3\": letters, "
                                    "digits, '-', '_', '.' and '/'",
                                    "^[A-Za-z0-9_./-]{1,200}$"};

struct PartFile {
  std::string description;
  std::string source;
  Value content;

  static constexpr auto fields() {
    using P = PartFile;
    return Fields{
        required("description", &P::description, "What it is."),
        required("source", &P::source, "Where its figures come from."),
        required("content", &P::content, "The object that stands where the part is named.")
            .such_that({[](const Value& part) { return part.if_object() != nullptr; },
                        [] { return std::string("an object"); }})};
  }
};

}  // namespace viosim
