// The memory of a host: sparse, read and written in 8-byte words, holding the tables and queues
// that hardware walks.
// SPDX-License-Identifier: Apache-2.0
//
// Only what is written takes space: a frame (4 KiB) keeps the 64-byte lines that were ever touched.
// A page table with one entry costs about 120 bytes here, a full one 4.3 KiB. DMA payloads are not
// stored: the simulator moves addresses and time, not data.
#pragma once

#include "core/base/address.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace viosim {

class PhysicalMemory {
 public:
  static constexpr std::size_t words_per_line = 8;
  using Line = std::array<std::uint64_t, words_per_line>;

  PhysicalMemory();

  // Addresses are multiples of 8. Memory that was never written reads as zero.
  std::uint64_t read(Hpa at) const { return line(at)[(at.value() >> 3U) & 7U]; }
  void write(Hpa at, std::uint64_t word);
  void write_half(Hpa at, std::uint32_t half);  // 4 bytes; a multiple of 4
  // The aligned 64-byte line that holds an address; valid until the next write.
  const Line& line(Hpa at) const;

  // A fresh run of frames, zeroed; never reused. For tables and queues.
  Hpa allocate_frames(std::uint64_t count = 1);

  // Bytes of the simulator's own memory in use, for the memory report.
  std::size_t footprint() const { return footprint_; }

 private:
  // The lines of a frame that were written, in order of their number.
  struct Frame {
    std::uint64_t number = 0;
    std::uint64_t present = 0;  // bit i: line i was written
    std::unique_ptr<Line[]> lines;
    std::uint32_t capacity = 0;
  };
  const Frame* find(std::uint64_t number) const;
  Frame& find_or_add(std::uint64_t number);
  Line& add_line(Frame& frame, unsigned line);
  void grow_index();

  static constexpr std::uint32_t none = 0xffffffff;
  std::vector<Frame> frames_;
  std::vector<std::uint32_t>
      index_;  // open addressing: hash of the frame number -> position in frames_
  // Tables lie at 16 TiB and above, out of the way of addresses that recorded guests use for their
  // own memory.
  std::uint64_t next_free_frame_ = std::uint64_t{1} << 32U;
  std::size_t footprint_ = 0;
};

}  // namespace viosim
