// A file whose lock says that a program works with the directory that it is in.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

namespace viosim {

// Held until it is destroyed or the process ends, however it does. Advisory: a file system that has no locks loses only
// what they are for. Processes that this one forks hold it as well; programs that they execute do not.
class FileLock {
 public:
  // Makes the file where there is none. Nothing: another process, or another FileLock of this one, has it. Throws
  // ConfigError: the file cannot be made.
  static std::optional<FileLock> try_take(const std::filesystem::path& file);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace viosim
