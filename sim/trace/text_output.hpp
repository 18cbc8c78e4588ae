// Where an export goes: standard output, or a file that gets its name when it is whole.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>

namespace viosim {

// A file has a passing name until close(); one that is dropped before that is removed. What cannot be
// written, or is a database now, is a ConfigError that names the file and the reason.
class TextOutput {
 public:
  explicit TextOutput(const std::optional<std::filesystem::path>& file);
  ~TextOutput();
  TextOutput(const TextOutput&) = delete;
  TextOutput& operator=(const TextOutput&) = delete;

  // To append to; call spill() now and then.
  fmt::memory_buffer& buffer() { return buffer_; }
  void spill() {
    if (buffer_.size() >= spill_size) write_out();
  }
  void close();

 private:
  static constexpr std::size_t spill_size = std::size_t{1} << 16U;
  void write_out();
  [[noreturn]] void fail(int error) const;

  std::filesystem::path file_;  // empty: standard output
  std::filesystem::path passing_;
  std::FILE* to_;
  fmt::memory_buffer buffer_;
};

}  // namespace viosim
