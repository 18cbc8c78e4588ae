// JSON text to Value, strictly: no comments, no duplicate keys, no byte order mark, UTF-8 only, and
// bounded in size and depth, so that no file can exhaust the stack or the machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "sim/json/value.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// Far above what a person or a script writes, far below what hurts.
inline constexpr std::size_t json_depth_limit = 64;
inline constexpr std::size_t json_size_limit = std::size_t{64} << 20U;  // bytes of text
inline constexpr std::size_t json_value_limit = 4'000'000;  // about 400 MB once in memory

// `file` names the text in messages. Throws ConfigError.
Value parse_json(std::string_view text, const std::string& file);

// Reads no more than json_size_limit bytes, whatever the file is.
Value read_json_file(const std::filesystem::path& path);

// The same, but for keys that come twice: they are added to `repeated`, and the document has the
// first of each, so that the rest of what is wrong with it can be said too.
Value parse_json(std::string_view text, const std::string& file, std::vector<Problem>& repeated);
Value read_json_file(const std::filesystem::path& path, std::vector<Problem>& repeated);

}  // namespace viosim
