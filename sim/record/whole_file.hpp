// Files that are there whole or not at all, also for other machines.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace viosim {

// How each SQLite file begins.
inline constexpr std::string_view sqlite_magic{"SQLite format 3\0", 16};

// What a file is called until it is whole: of this process alone, on whichever machine.
std::filesystem::path passing_name(const std::filesystem::path& path);
// The file that a link leads to, since what is renamed would take the place of the link.
std::filesystem::path behind_links(const std::filesystem::path& path);
// What is renamed takes the place of what was there: a device, a pipe, a folder, and a way to one of this process'
// descriptors (/dev/stdout) are refused, with a ConfigError.
void refuse_special_file(const std::filesystem::path& path);
// What is no database does not take the place of one: an SQLite file is refused, with a ConfigError.
void refuse_database(const std::filesystem::path& path);
// Under a passing name, on disk, then renamed. Throws ConfigError.
void write_whole_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
// Throws ConfigError.
std::string read_whole_file(const std::filesystem::path& path);

}  // namespace viosim
