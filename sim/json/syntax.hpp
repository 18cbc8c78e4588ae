// Where a JSON text stops being JSON, told so that a person can mend it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace viosim {

// "line 3, column 14"; both count from 1, columns in characters.
std::string text_place(std::string_view text, std::size_t offset);

// Something around the opening bracket that encloses the failure.
struct OpenBracket {
  std::size_t offset;
  bool object;
};

// What the parser knows when it gives up.
struct SyntaxFailure {
  std::size_t end;          // bytes read
  std::string token;        // the last token, as far as it was read
  std::string parser_says;  // the parser's own words
  std::optional<OpenBracket> inside;
  bool complete;  // a whole document came before
};

Problem syntax_problem(std::string_view text, const std::string& file,
                       const SyntaxFailure& failure);

// What is wrong with the bytes before any parsing: empty, byte order mark, NUL.
std::optional<Problem> byte_problem(std::string_view text, const std::string& file);

}  // namespace viosim
