// Reads recorded vIOMMU traces (*.jsonl.zst or *.jsonl, format viommu-trace/1) strictly and
// reconstructs what devices and the guest's software did. See README.md here.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/recorded_stream.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace viosim {

struct RecordingOptions {
  // Guest records say what the driver asked for; the stream says what the hardware's tables hold.
  // On an IOMMU without the zero-length-read capability Linux' VT-d driver grants read with every
  // write-only mapping. Counts for intel-vtd only.
  bool write_implies_read = true;

  // Called with the number of each record and of all, in turn. Looks on; changes nothing.
  std::function<void(std::uint64_t record, std::uint64_t all)> on_record = {};

  // More than any recording needs; what exceeds them is refused before it costs memory.
  std::size_t max_line_bytes = std::size_t{1} << 20U;
  std::uint64_t max_text_bytes = std::uint64_t{1} << 30U;  // after decompression
  std::uint32_t max_records = 1U << 24U;
  std::uint64_t max_mapped_entries = std::uint64_t{1} << 24U;  // page-table entries at one time
};

// Throws ConfigError naming the file, "line N", what was read and what was expected.
RecordedStream read_recording(const std::string& path, const RecordingOptions& options = {});

// The same from memory; `name` stands for the file in errors and a name ending in ".zst" promises
// compressed bytes.
RecordedStream parse_recording(const std::string& name, std::string_view bytes,
                               const RecordingOptions& options = {});

}  // namespace viosim
