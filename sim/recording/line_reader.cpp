// Cutting lines out of a buffer that is refilled.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/line_reader.hpp"

#include "sim/recording/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace viosim::recording {

// One byte more than the longest line and its newline: a full buffer without a newline is too long.
LineReader::LineReader(std::unique_ptr<ByteSource> source, std::size_t max_line,
                       std::uint64_t max_text)
    : source_(std::move(source)),
      max_line_(max_line),
      max_text_(max_text),
      text_left_(max_text),
      buffer_(max_line + 2) {}

std::optional<std::string_view> LineReader::next() {
  for (;;) {
    const std::string_view held(buffer_.data() + begin_, end_ - begin_);
    const std::size_t newline = held.find('\n');
    const std::size_t length = std::min(newline, held.size());
    if (length > max_line_) {
      throw RecordingProblem(
          fmt::format("the line is longer than {} bytes, expected one JSON object", max_line_));
    }
    if (newline != std::string_view::npos) {
      begin_ += length + 1;
      return held.substr(0, length);
    }
    if (failure_) std::rethrow_exception(failure_);
    if (ended_) {
      begin_ = end_;
      if (held.empty()) return std::nullopt;
      return held;
    }
    refill();
  }
}

// Moves what is left to the front and fills the buffer, or meets the end of the source. A failure
// waits until the lines before it are handed out, so that it is reported at its own line.
void LineReader::refill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  try {
    while (end_ < buffer_.size() && !ended_) {
      const std::size_t got = source_->read(std::span(buffer_).subspan(end_));
      if (got > text_left_)
        throw RecordingProblem(fmt::format("the text is larger than {} bytes", max_text_));
      text_left_ -= got;
      end_ += got;
      ended_ = got == 0;
    }
  } catch (const RecordingProblem&) {
    failure_ = std::current_exception();
  }
}

}  // namespace viosim::recording
