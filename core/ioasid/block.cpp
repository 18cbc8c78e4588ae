// Blocks: construction, the compact forms, and writing.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/block.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <new>

namespace ioasid::detail {

const char vacant_mark = 0;

namespace {

constexpr std::size_t direct_bytes = Block::direct_capacity * sizeof(Slot);

// A tag of a compact block: how often this entry was published, and the low bits of its id.
constexpr std::uint32_t offset_bits = 6;
constexpr std::uint32_t offset_of(std::uint32_t tag) { return tag & 63; }
constexpr std::uint32_t next_tag(std::uint32_t tag, std::uint32_t offset) {
  return ((tag >> offset_bits) + 1) << offset_bits | offset;
}

// The sizes a block can have, and with fewer than how many records it moves to a smaller one.
// Chosen such that an id never costs more than 64 bytes with its share of the block, the bucket and
// malloc's own bytes.
struct Size {
  std::uint8_t capacity;
  std::uint8_t count_min;
};
constexpr std::array<Size, 6> sizes{{{1, 1}, {3, 2}, {7, 4}, {15, 6}, {31, 13}, {64, 21}}};

const Size& size_for(std::uint32_t count) {
  return *std::find_if(sizes.begin(), sizes.end(), [&](Size s) { return s.capacity >= count; });
}

}  // namespace

Block::Block(std::uint32_t capacity)
    : capacity_(static_cast<std::uint8_t>(capacity)), count_min_(size_for(capacity).count_min) {}

std::uint32_t Block::capacity_for(std::uint32_t count) { return size_for(count).capacity; }

Block* Block::make(NodePool& pool, std::uint32_t capacity) {
  auto* block = new (pool.allocate(bytes_for(capacity))) Block(capacity);
  if (block->direct()) {
    try {
      block->direct_slots() = static_cast<Slot*>(pool.allocate(direct_bytes));
    } catch (const std::bad_alloc&) {
      pool.release(block, bytes_for(capacity));
      throw;
    }
  }
  for (std::uint32_t i = 1; i < tags_for(capacity); ++i) new (block->tags() + i) Tag(0);
  for (std::uint32_t i = 0; i < capacity; ++i) new (block->slots() + i) Slot;
  return block;
}

void Block::release(NodePool& pool, Block* block) noexcept {
  if (block->direct()) pool.release(block->direct_slots(), direct_bytes);
  pool.release(block, bytes_for(block->capacity()));
}

void Block::retire(NodePool& pool, Block* block) noexcept {
  const std::uint32_t capacity = block->capacity();
  if (block->direct()) pool.retire(block->direct_slots(), direct_bytes);
  pool.retire(block, bytes_for(capacity));
}

Block* Block::make_like(NodePool& pool, const Block& other, std::uint32_t capacity) {
  Block* block = make(pool, capacity);
  for (std::uint64_t rest = other.live(); rest != 0; rest &= rest - 1) {
    const auto offset = static_cast<std::uint32_t>(std::countr_zero(rest));
    const Slot& from = const_cast<Block&>(other).slot(offset);
    block->publish(offset, from.set.load(std::memory_order_relaxed),
                   from.data.load(std::memory_order_relaxed));
  }
  return block;
}

Found Block::find_compact(SetToken wanted, std::uint32_t offset) const {
  const Tag* tag = tags();
  const Slot* record = compact_slots();
  for (std::uint32_t i = 0; i < capacity_; ++i) {
    const std::uint32_t seen = tag[i].load(std::memory_order_acquire);
    if (offset_of(seen) != offset) continue;
    const SetToken set = record[i].set.load(std::memory_order_acquire);
    void* const data = record[i].data.load(std::memory_order_acquire);
    if (tag[i].load(std::memory_order_relaxed) != seen)
      i = ~0u;  // a writer reused this entry: look again from the first
    else if (set != vacant)
      return judge(wanted, set, data);
  }
  return {Error::enoent, nullptr};
}

void Block::warm_up(std::uint32_t offset) const {
  __builtin_prefetch(this, 1);
  __builtin_prefetch(&direct_slots()[offset], 1);
  // Loads, unlike prefetches, are waited for by the lock instruction that follows.
  static_cast<void>(live());
  static_cast<void>(direct_slots()[offset].set.load(std::memory_order_relaxed));
}

void Block::publish_compact(std::uint32_t offset, SetToken set, void* data) {
  const std::uint32_t entry = vacant_entry();
  Tag& tag = tags()[entry];
  tag.store(next_tag(tag.load(std::memory_order_relaxed), offset), std::memory_order_release);
  slots()[entry].data.store(data, std::memory_order_release);
  slots()[entry].set.store(set, std::memory_order_release);
  note_live(offset);
}

std::uint32_t Block::entry_of(std::uint32_t offset) const {
  for (std::uint32_t i = 0;; ++i)
    if (offset_of(tags()[i].load(std::memory_order_relaxed)) == offset &&
        slots()[i].set.load(std::memory_order_relaxed) != vacant)
      return i;
}

std::uint32_t Block::vacant_entry() const {
  for (std::uint32_t i = 0;; ++i)
    if (slots()[i].set.load(std::memory_order_relaxed) == vacant) return i;
}

}  // namespace ioasid::detail
