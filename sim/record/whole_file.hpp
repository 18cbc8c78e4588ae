// Files that are there whole or not at all, also for other machines.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace viosim {

// What is renamed takes the place of what was there: a device, a pipe or a folder is refused, with a ConfigError.
void refuse_special_file(const std::filesystem::path& path);
// Under a passing name, on disk, then renamed. Throws ConfigError.
void write_whole_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
// Throws ConfigError.
std::string read_whole_file(const std::filesystem::path& path);

}  // namespace viosim
