// The memory of a host: sparse, read and written in 8-byte words, holding the tables and queues
// that hardware walks.
// SPDX-License-Identifier: Apache-2.0
//
// Only what is written takes space: a frame (4 KiB) keeps the 64-byte lines that were ever touched.
// A page table with one entry costs about 120 bytes here, a full one 4.3 KiB. DMA payloads are not
// stored: the simulator moves addresses and time, not data.
#pragma once

#include "core/base/address.hpp"
#include "core/base/prefetch.hpp"
#include "models/host/table_memory.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace viosim {

// Someone who has read ahead: who has looked at memory as it will be seen later unless it changes.
class ReadsAhead {
 public:
  // The first write since warn() is about to happen. Memory still reads as before.
  virtual void memory_changes() = 0;

 protected:
  ~ReadsAhead() = default;
};

class PhysicalMemory final : public TableMemory {
 public:
  static constexpr std::size_t words_per_line = 8;
  using Line = std::array<std::uint64_t, words_per_line>;
  // Tables and queues lie at 16 TiB and above, out of the way of addresses that recorded guests use
  // for their own memory.
  static constexpr Hpa tables_begin{std::uint64_t{1} << 44U};

  PhysicalMemory();

  // Addresses are multiples of 8. Memory that was never written reads as zero.
  std::uint64_t read(Hpa at) const override { return line(at)[(at.value() >> 3U) & 7U]; }
  void write(Hpa at, std::uint64_t word) override;
  void write_half(Hpa at, std::uint32_t half);  // 4 bytes; a multiple of 4
  // The aligned 64-byte line that holds an address; valid until the next write.
  const Line& line(Hpa at) const {
    const Frame* frame = find(at.value() >> frame_shift);
    const unsigned line = line_number(at);
    if (frame == nullptr || (frame->present >> line & 1U) == 0) return zero_line;
    return frame->lines[position(frame->present, line)];
  }
  // A hint to the machine we run on: line(at) will be wanted soon.
  void prefetch(Hpa at) const { prefetch_line(line(at).data()); }

  // A fresh run of frames, zeroed; never reused. For tables and queues.
  Hpa allocate_frames(std::uint64_t count = 1) override;
  // The same for a guest's memory: many frames of which few will be written. The first one's number
  // is a multiple of `alignment`.
  Hpa allocate_ram(std::uint64_t count, std::uint64_t alignment);

  // What these frames hold goes to as many in another host's memory.
  void copy_ram(Hpa from, std::uint64_t count, PhysicalMemory& other, Hpa to) const;

  // Calls memory_changes() once, before the next write.
  void warn(ReadsAhead& reader) { warned_.push_back(&reader); }

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
  static constexpr unsigned frame_shift = 12;
  static constexpr unsigned line_shift = 6;
  static constexpr Line zero_line{};

  static constexpr unsigned line_number(Hpa at) {
    return static_cast<unsigned>(at.value() >> line_shift) & 63U;
  }
  // How many written lines come before this one: its position in the frame's array. Mostly none or
  // all: the machine we run on guesses which, and goes on without waiting for a count. Counts bits
  // by hand: std::popcount is a call of a library function on a baseline x86-64.
  static constexpr std::size_t position(std::uint64_t present, unsigned line) {
    const std::uint64_t all = (std::uint64_t{1} << line) - 1;
    std::uint64_t x = present & all;
    if (x == 0) return 0;
    if (x == all) return line;
    x -= x >> 1U & 0x5555555555555555U;
    x = (x & 0x3333333333333333U) + (x >> 2U & 0x3333333333333333U);
    x = (x + (x >> 4U)) & 0x0f0f0f0f0f0f0f0fU;
    return x * 0x0101010101010101U >> 56U;
  }
  static constexpr std::size_t hash(std::uint64_t number) {
    return static_cast<std::size_t>((number * 0x9e3779b97f4a7c15U) >> 20U);
  }

  const Frame* find(std::uint64_t number) const {
    const std::uint64_t allocated = number - first_allocated;
    if (allocated < allocated_.size()) [[likely]]
      return &allocated_[allocated];
    return find_elsewhere(number);
  }
  const Frame* find_elsewhere(std::uint64_t number) const {
    if (number - first_ram < next_ram_frame_ - first_ram) {
      const std::uint64_t chunk = (number - first_ram) / ram_chunk;
      if (chunk >= ram_.size() || ram_[chunk] == nullptr) return nullptr;
      return &ram_[chunk][number % ram_chunk];
    }
    const std::size_t mask = index_.size() - 1;
    for (std::size_t i = hash(number) & mask; index_[i] != none; i = (i + 1) & mask) {
      if (frames_[index_[i]].number == number) return &frames_[index_[i]];
    }
    return nullptr;
  }
  Frame& find_or_add(std::uint64_t number);
  Frame& add_allocated(std::uint64_t number);
  Frame& add_ram(std::uint64_t number);
  Line& add_line(Frame& frame, unsigned line);
  void grow_index();
  void announce_change();

  static constexpr std::uint32_t none = 0xffffffff;
  static constexpr std::uint64_t first_allocated = tables_begin.value() >> frame_shift;
  std::uint64_t next_free_frame_ = first_allocated;
  // Guests' memory lies at 64 TiB and above. Frames are kept in chunks, so that what is written of
  // one guest need not lie near what is written of another.
  static constexpr std::uint64_t first_ram = std::uint64_t{1} << 34U;
  static constexpr std::uint64_t ram_chunk = 512;
  std::uint64_t next_ram_frame_ = first_ram;
  // What walkers read lies almost always in allocated frames, which need no hashing.
  std::vector<Frame> allocated_;  // from first_allocated on, up to the last one written
  std::vector<std::unique_ptr<Frame[]>> ram_;
  std::vector<Frame> frames_;  // all others
  std::vector<std::uint32_t>
      index_;  // open addressing: hash of the frame number -> position in frames_
  std::size_t footprint_ = 0;
  std::vector<ReadsAhead*> warned_;
};

}  // namespace viosim
