// Cuts a byte source into lines with bounded memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/recording/byte_source.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace viosim::recording {

class LineReader {
 public:
  LineReader(std::unique_ptr<ByteSource> source, std::size_t max_line, std::uint64_t max_text);

  // The next line without its newline, valid until the next call; nullopt at the end. The last line
  // need not end in a newline. Throws RecordingProblem.
  std::optional<std::string_view> next();

 private:
  void refill();

  std::unique_ptr<ByteSource> source_;
  std::size_t max_line_;
  std::uint64_t max_text_;
  std::uint64_t text_left_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of the bytes not handed out
  std::size_t end_ = 0;
  bool ended_ = false;
  std::exception_ptr failure_;
};

}  // namespace viosim::recording
