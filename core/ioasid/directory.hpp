// Where the block of an id is: an open-addressing hash table that readers walk without a lock.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/block.hpp"
#include "ioasid/mix.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ioasid::detail {

// A pointer to a block that says what it is by pointing a little into it: one byte into a direct
// block, two into a compact one that is in a cell of the pool.
class BlockRef {
 public:
  using Mark = std::byte*;  // what is stored; nullptr: no block

  constexpr BlockRef() = default;
  explicit BlockRef(Block* block)
      : mark_(reinterpret_cast<std::byte*>(block) + (block->direct() ? 1 : block->in_cell() * 2)) {}
  explicit constexpr BlockRef(Mark mark) : mark_(mark) {}

  explicit operator bool() const { return mark_ != nullptr; }
  bool direct() const { return (bits() & 1) != 0; }
  bool in_cell() const { return bits() != 0; }  // its head: both kinds
  Block* get() const { return reinterpret_cast<Block*>(mark_ - bits()); }
  Block* get_direct() const { return reinterpret_cast<Block*>(mark_ - 1); }
  Mark mark() const { return mark_; }

 private:
  std::uintptr_t bits() const { return reinterpret_cast<std::uintptr_t>(mark_) & 3; }
  Mark mark_ = nullptr;
};

// A bucket gets its key once; a block that goes leaves the key behind, for its successor or until
// the next rebuild. So a reader that walks past never misses what was there all the time.
struct Bucket {
  static constexpr std::uint32_t no_key = 0xffffffffu;
  std::atomic<std::uint32_t> key{no_key};
  std::atomic<BlockRef::Mark> block{nullptr};
};

// One size of the table; a rebuild publishes another one. Capacities need not be powers of two: a
// table that grows or shrinks has a block in two thirds of its buckets then, and in more than half
// of them at any time, but for those of a few blocks.
//
// A product spreads consecutive keys evenly, so that dense ids hardly collide, and costs a find
// next to nothing. But there are distances at which all keys come to lie side by side (that of the
// 21st Fibonacci number, 10,946 blocks, for instance), and then a look-up is a walk. So a table
// counts how far its keys are from home; where that is too much the next one mixes them. Keys can
// be chosen to lie side by side in a mixture, too; then the next one mixes them with another salt.
struct Table {
  std::uint32_t capacity;
  std::uint32_t keyed = 0;  // buckets with a key
  std::uint32_t salt = 0;   // of the mixture; 0: a product
  std::uint32_t steps = 0;  // from home to each key, all added up; enough is enough
  Bucket* buckets() { return reinterpret_cast<Bucket*>(this + 1); }
  const Bucket* buckets() const { return reinterpret_cast<const Bucket*>(this + 1); }
  std::uint32_t home(std::uint32_t key) const {
    std::uint32_t spread = key * 0x9e3779b1u;
    if (salt != 0) [[unlikely]]
      spread = mix(key ^ salt);
    return static_cast<std::uint32_t>((std::uint64_t{spread} * capacity) >> 32);
  }
  // The bucket with the key or, if there is none, the first bucket where it could go.
  const Bucket* find(std::uint32_t key) const;
  // How many buckets a look-up of the key passes before that one.
  std::uint32_t steps_to(std::uint32_t key) const;
  // Keys that are spread at random are 3.5 buckets from home in a table that is as full as it gets,
  // and one bucket in a new one.
  bool crowded() const { return steps > 6 * std::uint64_t{keyed} + 64; }
  // From 0 it goes through all numbers before it comes back.
  static std::uint32_t next_salt(std::uint32_t salt) { return salt * 0x9e3779b1u + 0x85ebca6bu; }
};
static_assert(sizeof(Table) % alignof(Bucket) == 0);

inline const Bucket* Table::find(std::uint32_t key) const {
  const Bucket* const first = buckets();
  const Bucket* at = first + home(key);
  for (;;) {
    const std::uint32_t seen = at->key.load(std::memory_order_acquire);
    if (seen == key || seen == Bucket::no_key) return at;
    if (++at == first + capacity) at = first;
  }
}

class Directory {
 public:
  Directory();
  // The tables come from the pool, which frees them together with the blocks.
  void destroy(NodePool& pool);

  // For readers, inside a ReadSection.
  BlockRef find(std::uint32_t key) const {
    const Bucket* bucket = table_.load(std::memory_order_acquire)->find(key);
    // A bucket that was without a key a moment ago may get another key now: look again.
    if (bucket->key.load(std::memory_order_relaxed) != key) return {};
    return BlockRef(bucket->block.load(std::memory_order_acquire));
  }

  // For writers, one at a time.
  void reserve(NodePool& pool);               // room for one more key; throws std::bad_alloc
  void put(std::uint32_t key, Block* block);  // new, or instead of the one that is there
  void remove(NodePool& pool, std::uint32_t key);
  std::uint32_t size() const { return size_; }
  std::uint32_t steps_to(std::uint32_t key) const {
    return table_.load(std::memory_order_relaxed)->steps_to(key);
  }
  template <class Visit>
  void for_each(Visit&& visit) const {  // visit(key, Block&), in no particular order
    const Table& table = *table_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < table.capacity; ++i) {
      const Bucket& bucket = table.buckets()[i];
      const BlockRef block(bucket.block.load(std::memory_order_relaxed));
      if (block) visit(bucket.key.load(std::memory_order_relaxed), *block.get());
    }
  }
  // visit(Bucket&), in no particular order. It may put the block of a bucket elsewhere.
  template <class Visit>
  void for_each_bucket(Visit&& visit) {
    Table& table = *table_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < table.capacity; ++i) visit(table.buckets()[i]);
  }

 private:
  void rebuild(NodePool& pool, std::uint32_t capacity);
  bool fill(Table& table) const;
  void replace_table(NodePool& pool, Table* table);

  std::atomic<Table*> table_;
  std::uint32_t size_ = 0;  // blocks
};

}  // namespace ioasid::detail
