// Where the bytes of a recording come from: a file or memory, compressed with zstd or not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace viosim::recording {

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  // Fills the front of `out` and says how much; 0 only at the end. Throws RecordingProblem.
  virtual std::size_t read(std::span<char> out) = 0;
};

// The bytes of a file as they are.
std::unique_ptr<ByteSource> open_file(const std::string& path);

// Bytes that the caller keeps alive.
std::unique_ptr<ByteSource> open_memory(std::string_view bytes);

// The text behind `raw`: decompressed when it starts with a zstd frame, or when `named_zst`
// promises one. Holds one input buffer and the window of the frame (at most 128 MiB), never the
// whole text.
std::unique_ptr<ByteSource> open_text(std::unique_ptr<ByteSource> raw, bool named_zst);

}  // namespace viosim::recording
