// The hash table of blocks: growing, shrinking, publishing.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/directory.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace ioasid::detail {
namespace {

constexpr std::uint32_t capacity_min = 4;

std::size_t bytes_of(const Table& table) { return sizeof(Table) + table.capacity * sizeof(Bucket); }

// What a directory without blocks looks at: one bucket without a key.
struct NoTable {
  Table table{1};
  Bucket bucket;
};
static_assert(sizeof(NoTable) == sizeof(Table) + sizeof(Bucket));
constinit NoTable no_table;

Bucket& bucket_of(Table& table, std::uint32_t key) { return const_cast<Bucket&>(*table.find(key)); }

// At most 7 of 8 buckets have a key, and more than 11 of 20 a block.
bool too_full(std::uint32_t keyed, std::uint32_t capacity) {
  return std::uint64_t{keyed} * 8 > std::uint64_t{capacity} * 7;
}
bool too_empty(std::uint32_t size, std::uint32_t capacity) {
  return std::uint64_t{size} * 20 < std::uint64_t{capacity} * 11;
}

// The bucket of a key that has none yet.
Bucket& add_key(Table& table, std::uint32_t key, std::memory_order order) {
  Bucket& bucket = bucket_of(table, key);
  const std::uint32_t steps = table.steps_to(key);
  table.steps += std::min(steps, ~table.steps);
  ++table.keyed;
  bucket.key.store(key, order);
  return bucket;
}

}  // namespace

std::uint32_t Table::steps_to(std::uint32_t key) const {
  const auto at = static_cast<std::uint32_t>(find(key) - buckets());
  const std::uint32_t from = home(key);
  return at >= from ? at - from : at + capacity - from;
}

Directory::Directory() : table_(&no_table.table) {}

void Directory::destroy(NodePool& pool) { replace_table(pool, &no_table.table); }

void Directory::replace_table(NodePool& pool, Table* table) {
  Table* old = table_.load(std::memory_order_relaxed);
  table_.store(table, std::memory_order_release);
  if (old == &no_table.table) return;
  pool.retire(old, bytes_of(*old));
}

void Directory::rebuild(NodePool& pool, std::uint32_t capacity) {
  const std::size_t bytes = sizeof(Table) + capacity * sizeof(Bucket);
  auto* table = new (pool.allocate(bytes)) Table{capacity};
  std::uint32_t salt = table_.load(std::memory_order_relaxed)->salt;
  if (salt == 0) salt = Table::next_salt(salt);
  for (; !fill(*table); salt = Table::next_salt(salt))
    *table = Table{.capacity = capacity, .salt = salt};
  replace_table(pool, table);
}

// False, and not done: the keys lie too close together. Well before a table is crowded, so that one
// that is done is not crowded again a moment later.
bool Directory::fill(Table& table) const {
  std::uninitialized_default_construct_n(table.buckets(), table.capacity);
  bool well_spread = true;
  for_each([&](std::uint32_t key, Block& block) {
    if (!well_spread) return;
    Bucket& bucket = add_key(table, key, std::memory_order_relaxed);
    bucket.block.store(BlockRef(&block).mark(), std::memory_order_relaxed);
    well_spread = table.steps <= 2 * std::uint64_t{table.keyed} + 32;
  });
  return well_spread;
}

// After a rebuild two thirds of the buckets are in use, more or fewer in a table of a few.
void Directory::reserve(NodePool& pool) {
  const Table& table = *table_.load(std::memory_order_relaxed);
  if (&table != &no_table.table && !too_full(table.keyed + 1, table.capacity) && !table.crowded())
    return;
  rebuild(pool, std::max(capacity_min, size_ + size_ / 2 + 1));
}

void Directory::put(std::uint32_t key, Block* block) {
  Table& table = *table_.load(std::memory_order_relaxed);
  Bucket& bucket = bucket_of(table, key);
  if (bucket.block.load(std::memory_order_relaxed) == nullptr) ++size_;
  bucket.block.store(BlockRef(block).mark(), std::memory_order_release);
  if (bucket.key.load(std::memory_order_relaxed) != key)
    add_key(table, key, std::memory_order_release);
}

void Directory::remove(NodePool& pool, std::uint32_t key) {
  Table& table = *table_.load(std::memory_order_relaxed);
  bucket_of(table, key).block.store(nullptr, std::memory_order_release);
  --size_;
  if (size_ == 0) return replace_table(pool, &no_table.table);
  if (table.capacity <= capacity_min || !too_empty(size_, table.capacity)) return;
  try {
    rebuild(pool, std::max(capacity_min, size_ + size_ / 2 + 1));
  } catch (const std::bad_alloc&) {
    // A large table serves as well; the next removal tries again.
  }
}

}  // namespace ioasid::detail
