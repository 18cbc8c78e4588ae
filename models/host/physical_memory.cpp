// Sparse memory: an index of frames by hash, and in each frame only the lines that were written.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/physical_memory.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <bit>

namespace viosim {
PhysicalMemory::PhysicalMemory() : index_(256, none) {}

void PhysicalMemory::write(Hpa at, std::uint64_t word) {
  ensure(at.value() % 8 == 0, "a write to memory is not aligned to 8 bytes");
  if (!warned_.empty()) announce_change();
  Frame& frame = find_or_add(at.value() >> frame_shift);
  const unsigned line = line_number(at);
  Line& target = (frame.present >> line & 1U) != 0 ? frame.lines[position(frame.present, line)]
                                                   : add_line(frame, line);
  target[(at.value() >> 3U) & 7U] = word;
}

void PhysicalMemory::announce_change() {
  for (ReadsAhead* reader : warned_) reader->memory_changes();
  warned_.clear();
}

void PhysicalMemory::write_half(Hpa at, std::uint32_t half) {
  const Hpa word_at(at.value() & ~std::uint64_t{7});
  const unsigned shift = (at.value() & 4U) * 8U;
  const std::uint64_t kept = read(word_at) & ~(std::uint64_t{0xffffffff} << shift);
  write(word_at, kept | std::uint64_t{half} << shift);
}

Hpa PhysicalMemory::allocate_frames(std::uint64_t count) {
  const Hpa base(next_free_frame_ << frame_shift);
  next_free_frame_ += count;
  return base;
}

Hpa PhysicalMemory::allocate_ram(std::uint64_t count, std::uint64_t alignment) {
  const std::uint64_t base = (next_ram_frame_ + alignment - 1) / alignment * alignment;
  next_ram_frame_ = base + count;
  return Hpa(base << frame_shift);
}

void PhysicalMemory::copy_ram(Hpa from, std::uint64_t count, PhysicalMemory& other, Hpa to) const {
  const std::uint64_t first = from.value() >> frame_shift;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Frame* const frame = find(first + i);
    if (frame == nullptr) continue;
    const Hpa at = to + Bytes(i << frame_shift);
    std::size_t place = 0;
    for (unsigned line = 0; line < 64; ++line) {
      if ((frame->present >> line & 1U) == 0) continue;
      const Line& words = frame->lines[place++];
      for (std::size_t word = 0; word < words.size(); ++word)
        other.write(at + Bytes((std::uint64_t{line} << line_shift) + word * 8), words[word]);
    }
  }
}

PhysicalMemory::Frame& PhysicalMemory::find_or_add(std::uint64_t number) {
  if (const Frame* found = find(number)) return const_cast<Frame&>(*found);
  if (number >= first_allocated && number < next_free_frame_) return add_allocated(number);
  if (number >= first_ram && number < next_ram_frame_) return add_ram(number);
  if ((frames_.size() + 1) * 2 > index_.size()) grow_index();
  const std::size_t mask = index_.size() - 1;
  std::size_t i = hash(number) & mask;
  while (index_[i] != none) i = (i + 1) & mask;
  index_[i] = static_cast<std::uint32_t>(frames_.size());
  frames_.push_back({number, 0, nullptr, 0});
  footprint_ += sizeof(Frame) + 2 * sizeof(std::uint32_t);
  return frames_.back();
}

PhysicalMemory::Frame& PhysicalMemory::add_allocated(std::uint64_t number) {
  const std::size_t old_size = allocated_.size();
  allocated_.resize(number - first_allocated + 1);
  for (std::size_t i = old_size; i < allocated_.size(); ++i)
    allocated_[i].number = first_allocated + i;
  footprint_ += (allocated_.size() - old_size) * sizeof(Frame);
  return allocated_.back();
}

PhysicalMemory::Frame& PhysicalMemory::add_ram(std::uint64_t number) {
  const std::uint64_t chunk = (number - first_ram) / ram_chunk;
  if (chunk >= ram_.size()) {
    footprint_ += (chunk + 1 - ram_.size()) * sizeof(ram_[0]);
    ram_.resize(chunk + 1);
  }
  ram_[chunk] = std::make_unique<Frame[]>(ram_chunk);
  footprint_ += ram_chunk * sizeof(Frame);
  for (std::uint64_t i = 0; i < ram_chunk; ++i)
    ram_[chunk][i].number = first_ram + chunk * ram_chunk + i;
  return ram_[chunk][number % ram_chunk];
}

void PhysicalMemory::grow_index() {
  index_.assign(index_.size() * 2, none);
  const std::size_t mask = index_.size() - 1;
  for (std::uint32_t position = 0; position < frames_.size(); ++position) {
    std::size_t i = hash(frames_[position].number) & mask;
    while (index_[i] != none) i = (i + 1) & mask;
    index_[i] = position;
  }
}

PhysicalMemory::Line& PhysicalMemory::add_line(Frame& frame, unsigned line) {
  const auto used = static_cast<std::uint32_t>(std::popcount(frame.present));
  const std::size_t where = position(frame.present, line);
  if (used == frame.capacity) {
    // One line, then two, then half as many again: page tables with one entry are common, and so
    // are full ones.
    const std::uint32_t capacity =
        std::min<std::uint32_t>(64, used + std::max<std::uint32_t>(1, used / 2));
    auto lines = std::make_unique<Line[]>(capacity);
    std::copy_n(frame.lines.get(), used, lines.get());
    footprint_ += (capacity - frame.capacity) * sizeof(Line);
    frame.lines = std::move(lines);
    frame.capacity = capacity;
  }
  std::copy_backward(frame.lines.get() + where, frame.lines.get() + used,
                     frame.lines.get() + used + 1);
  frame.lines[where] = {};
  frame.present |= std::uint64_t{1} << line;
  return frame.lines[where];
}

}  // namespace viosim
