// JSON pointers (RFC 6901) that change a document: `viosim run --set /json/pointer=value`.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"

#include <string>
#include <string_view>

namespace viosim {

// Puts `text` at the pointer: as JSON when it is JSON, else as the text itself, so that
// `/seed=7` and `/duration=20 ms` both say what they mean. Objects on the way are made when they
// are absent; list items must be there. Throws ConfigError.
void set_pointer(Value& document, std::string_view pointer, std::string_view text);
void set_pointer(Value& document, std::string_view pointer, Value content);

// Splits "/json/pointer=value" and sets it. Throws ConfigError.
void set_assignment(Value& document, std::string_view assignment);

}  // namespace viosim
