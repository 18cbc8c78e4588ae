// The page that a report is: its template, style and scripts, with a report's data in it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"

#include <string>
#include <string_view>

namespace viosim::report {

// A whole HTML file that loads nothing. Its content policy allows its own two scripts and its style, by their
// hashes, and nothing else.
std::string page(std::string_view title, const Value& data);
// How each of them begins.
std::string_view page_begin();

// JSON that may stand in a script element and is UTF-8, whatever its texts hold.
std::string embeddable(std::string_view json);

// The text where HTML has text or attributes.
std::string escaped(std::string_view text);

// As a content policy has hashes: base64 of what is given as hexadecimal digits.
std::string base64_of_hex(std::string_view hex);

}  // namespace viosim::report
