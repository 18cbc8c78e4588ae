// 64 neighbouring ids: which of them are live, and their records. Read without a lock.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/node_pool.hpp"
#include "ioasid/types.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ioasid::detail {

// The set of a record that is not there.
extern const char vacant_mark;  // not inline: g++ would make a symbol that keeps a plugin loaded
constexpr SetToken vacant = &vacant_mark;

struct Slot {
  std::atomic<SetToken> set{vacant};
  std::atomic<void*> data{nullptr};
};

// A block has room for 1, 3, 7, 15, 31 or 64 records. One of 64 is direct: the record of an id is
// at its number. A smaller one is compact: each record has a tag with the low six bits of its id.
// The records of a compact block follow it; those of a direct one are elsewhere, so that the heads
// of many blocks lie close together and stay in the cache when the records do not fit.
//
// A reader takes (set, data) as one consistent pair: a tag (one for all records of a direct block,
// one for each record of a compact one) counts publications. A record is published by counting
// first, then storing the data, then the set; so a reader that sees the same tag before and after
// saw one record. It repeats only when a writer got something done meanwhile, and never waits.
// A record is removed by making its set vacant, and moved never: a block that must change its size
// is replaced by a new one, and does not change any more.
class Block {
 public:
  static constexpr std::uint32_t direct_capacity = 64;

  static Block* make(NodePool& pool, std::uint32_t capacity);  // throws std::bad_alloc
  // A copy with another capacity, which must be enough.
  static Block* make_like(NodePool& pool, const Block& other, std::uint32_t capacity);
  // Gives the memory back: at once, or when no reader can be on it.
  static void release(NodePool& pool, Block* block) noexcept;
  static void retire(NodePool& pool, Block* block) noexcept;
  // Without the records of a direct block.
  static constexpr std::size_t bytes_for(std::uint32_t capacity) {
    return capacity == direct_capacity ? NodePool::cell
                                       : slots_at(capacity) + capacity * sizeof(Slot);
  }

  std::uint32_t capacity() const { return capacity_; }
  bool direct() const { return capacity_ == direct_capacity; }
  // Its head is a cell of the pool.
  bool in_cell() const { return bytes_for(capacity_) == NodePool::cell; }
  // For writers: which of the 64 ids are live, how many, and is there room for one more?
  std::uint64_t live() const { return live_.load(std::memory_order_relaxed); }
  std::uint32_t count() const { return count_; }
  bool has_room() const { return count_ < capacity_; }
  bool full() const { return count_ == direct_capacity; }
  // Fewer than make it worth its size: see the table in block.cpp.
  bool too_large() const { return count_ < count_min_; }
  // The capacity for that many records.
  static std::uint32_t capacity_for(std::uint32_t count);

  // For readers. Direct and compact blocks are told apart by a bit in the pointer to them, so that
  // the common case does not have to look here first.
  Found find_direct(SetToken set, std::uint32_t offset) const;
  Found find_compact(SetToken set, std::uint32_t offset) const;

  // For a writer that is about to take the lock: has the cache lines that remove() writes brought
  // here first, so that nobody waits for them behind the lock.
  void warm_up(std::uint32_t offset) const;

  // For writers, one at a time.
  void publish(std::uint32_t offset, SetToken set, void* data);  // not live, and there is room
  void remove(std::uint32_t offset);                             // live
  Slot& slot(std::uint32_t offset);                              // live
  // A note of the id map: the summary of full blocks has this one.
  bool listed_full() const { return listed_full_; }
  void list_full(bool listed) { listed_full_ = listed; }

 private:
  explicit Block(std::uint32_t capacity);
  static constexpr std::uint32_t tags_for(std::uint32_t capacity) {
    return capacity == direct_capacity ? 1 : capacity;
  }
  static constexpr std::size_t slots_at(std::uint32_t capacity) {
    return (12 + sizeof(std::uint32_t) * tags_for(capacity) + 15) / 16 * 16;
  }
  void publish_compact(std::uint32_t offset, SetToken set, void* data);
  void note_live(std::uint32_t offset) {
    live_.store(live() | std::uint64_t{1} << offset, std::memory_order_relaxed);
    ++count_;
  }
  std::uint32_t entry_of(std::uint32_t offset) const;
  std::uint32_t vacant_entry() const;

  using Tag = std::atomic<std::uint32_t>;
  Tag* tags() { return &first_tag_; }
  const Tag* tags() const { return &first_tag_; }
  std::byte* after_head() const {
    return reinterpret_cast<std::byte*>(const_cast<Block*>(this)) + sizeof(Block);
  }
  Slot* compact_slots() const {
    return reinterpret_cast<Slot*>(after_head() - sizeof(Block) + slots_at(capacity_));
  }
  Slot*& direct_slots() const { return *reinterpret_cast<Slot**>(after_head()); }
  Slot* slots() const { return direct() ? direct_slots() : compact_slots(); }

  std::atomic<std::uint64_t> live_{0};
  std::uint8_t capacity_;
  std::uint8_t count_ = 0;
  std::uint8_t count_min_;
  bool listed_full_ = false;
  // The first of as many as there are records, which follow; in a direct block there is this one,
  // and the address of the records follows.
  Tag first_tag_{0};
};
static_assert(sizeof(Block) == 16);
static_assert(Block::bytes_for(1) == NodePool::cell, "one id far from all others is one pool cell");

inline Found judge(SetToken wanted, SetToken set, void* data) {
  if (set == vacant) return {Error::enoent, nullptr};
  if (wanted != nullptr && wanted != set) return {Error::eacces, nullptr};
  return {Error::ok, data};
}

inline Found Block::find_direct(SetToken wanted, std::uint32_t offset) const {
  const Slot& record = direct_slots()[offset];
  for (;;) {
    const std::uint32_t tag = first_tag_.load(std::memory_order_acquire);
    const SetToken set = record.set.load(std::memory_order_acquire);
    void* const data = record.data.load(std::memory_order_acquire);
    if (first_tag_.load(std::memory_order_relaxed) == tag) [[likely]]
      return judge(wanted, set, data);
  }
}

inline void Block::publish(std::uint32_t offset, SetToken set, void* data) {
  if (!direct()) [[unlikely]]
    return publish_compact(offset, set, data);
  // Who sees it sees the removal before it, too: else it could pair the old set with the new data.
  first_tag_.store(first_tag_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  Slot& record = direct_slots()[offset];
  record.data.store(data, std::memory_order_release);
  record.set.store(set, std::memory_order_release);
  note_live(offset);
}

inline void Block::remove(std::uint32_t offset) {
  slot(offset).set.store(vacant, std::memory_order_release);
  live_.store(live() & ~(std::uint64_t{1} << offset), std::memory_order_relaxed);
  --count_;
}

inline Slot& Block::slot(std::uint32_t offset) {
  return slots()[direct() ? offset : entry_of(offset)];
}

}  // namespace ioasid::detail
