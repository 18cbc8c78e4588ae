// What is known about parameters, for people and for editors: tables and the JSON Schema's frame.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/type.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace viosim {

std::vector<ParameterRow> rows_of(const JsonType& type, const void* defaults);

// A table for README files.
std::string markdown_table(const std::vector<ParameterRow>& rows);

// Aligned columns for a terminal; every line begins with `indent` blanks.
std::string plain_table(const std::vector<ParameterRow>& rows, std::size_t indent = 2);

Value document_schema(const JsonType& type, const void* defaults, std::string_view title);

}  // namespace viosim
