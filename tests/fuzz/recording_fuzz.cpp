// libFuzzer target for the reader of recordings. The first byte of an input chooses what the rest
// is: compressed bytes as they are, plain text, or text that is compressed before it is read.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/recording/recording.hpp"

#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

std::string compressed(std::string_view text) {
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  bytes.resize(ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), 1));
  return bytes;
}

// Whatever is accepted keeps the promises of RecordedStream that cost little to check.
void check(const viosim::RecordedStream& stream) {
  std::int64_t before = 0;
  for (const viosim::RecordedOp& op : stream.ops) {
    viosim::ensure(op.time_ps >= before, "times of an accepted recording decrease");
    before = op.time_ps;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const viosim::RecordingOptions small{.max_line_bytes = 4096,
                                       .max_text_bytes = std::uint64_t{1} << 22U,
                                       .max_records = 1U << 16U,
                                       .max_mapped_entries = std::uint64_t{1} << 20U};
  try {
    switch (data[0] % 3) {
      case 0:
        check(viosim::parse_recording("fuzz.jsonl.zst", rest, small));
        break;
      case 1:
        check(viosim::parse_recording("fuzz.jsonl", rest, small));
        break;
      default:
        check(viosim::parse_recording("fuzz.jsonl.zst", compressed(rest), small));
    }
  } catch (const viosim::ConfigError&) {
    // Refusing is what the reader is for.
  }
  return 0;
}
