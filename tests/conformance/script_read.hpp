// A line of a file of vectors, as JSON.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace conformance {

// The object in a line. Throws std::runtime_error with what is wrong where that is no JSON object,
// has a NUL byte, or is nested too deep; BadScript (place.hpp) where an object has a key twice, of
// which JSON does not say which one counts; and std::bad_alloc where memory is short.
nlohmann::json read_script(const std::string& line);

}  // namespace conformance
