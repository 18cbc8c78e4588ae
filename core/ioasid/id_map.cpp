// The id map: finding the lowest free id, and blocks that change their size.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/id_map.hpp"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

namespace ioasid::detail {

IdMap::~IdMap() {
  directory_.for_each([&](std::uint32_t, Block& block) { Block::release(pool_, &block); });
  directory_.destroy(pool_);
}

void IdMap::warm_up(Ioasid id) const {
  const ReadSection section;
  const BlockRef ref = directory_.find(id / 64);
  if (ref.direct()) ref.get_direct()->warm_up(id % 64);
}

bool IdMap::contains(Ioasid id) const {
  const Block* block = locate(id / 64);
  return block != nullptr && (block->live() & bit_of(id)) != 0;
}

bool IdMap::insert(Ioasid id, SetToken set, void* data) {
  if (contains(id)) return false;
  insert_free(id, set, data);
  return true;
}

// A new block, or a larger one instead of the one that is full.
Block& IdMap::block_with_room(std::uint32_t key, Block* block) {
  Block* larger = nullptr;
  if (block == nullptr) {
    trim();
    directory_.reserve(pool_);
    larger = Block::make(pool_, 1);
  } else {
    larger = Block::make_like(pool_, *block, Block::capacity_for(block->capacity() + 1));
  }
  directory_.put(key, larger);
  hot_key_ = key;
  hot_block_ = larger;
  if (block == nullptr) return *larger;
  const bool was_in_cell = block->in_cell();
  Block::retire(pool_, block);
  // No larger compact block is in a cell: it stays where it is.
  if (was_in_cell && pool_.sparse_for(directory_.size())) repack();
  return *larger;
}

void IdMap::unlist(std::uint32_t key, Block& block) {
  if (!block.listed_full()) return;
  full_.clear(key);
  block.list_full(false);
}

// The id is free: the last gap, or about to become one.
void IdMap::end_run_at(Ioasid id) {
  run_end_ = id;
  if (gaps_.back() == id) gaps_.back() = no_gap;
  Block* block = locate(id / 64);
  if (block != nullptr) unlist(id / 64, *block);
}

void IdMap::close_gaps() {
  while (gaps_.front() != no_gap) {
    const auto last = std::find(gaps_.begin(), gaps_.end(), no_gap) - 1;
    const Ioasid id = *last;
    *last = no_gap;
    end_run_at(id);
  }
}

void IdMap::shrink_later(std::uint32_t key) {
  const std::uint32_t before = std::exchange(shrink_key_, key);
  if (before != no_key && before != key) shrink(before);
  if (size_ != 0 || bytes() <= remains_max) return;
  keep_nothing();
}

void IdMap::keep_nothing() noexcept {
  if (size_ != 0 || bytes() == 0) return;
  shrink(std::exchange(shrink_key_, no_key));
  close_gaps();
  full_.forget_all();
  kept_ = !pool_.trim();
}

void IdMap::shrink(std::uint32_t key) {
  Block* block = locate(key);
  if (block == nullptr || !block->too_large()) return;
  if (block->count() == 0) {
    directory_.remove(pool_, key);
  } else {
    try {
      directory_.put(key, Block::make_like(pool_, *block, Block::capacity_for(block->count())));
    } catch (const std::bad_alloc&) {
      return;  // a large block serves as well
    }
  }
  hot_block_ = nullptr;
  Block::retire(pool_, block);
  if (pool_.sparse()) repack();
}

// Moves the blocks whose heads are in slabs that have many free cells, after which these slabs can
// go. At least a sixteenth as many cells became free since the last time as are moved now.
void IdMap::repack() noexcept {
  pool_.close_slabs();
  try {
    directory_.for_each_bucket([&](Bucket& bucket) {
      const BlockRef ref(bucket.block.load(std::memory_order_relaxed));
      if (!ref.in_cell() || !pool_.closed(ref.get())) return;
      Block* block = ref.get();
      Block* moved = Block::make_like(pool_, *block, block->capacity());
      moved->list_full(block->listed_full());
      bucket.block.store(BlockRef(moved).mark(), std::memory_order_release);
      Block::retire(pool_, block);
    });
  } catch (const std::bad_alloc&) {
    pool_.reopen_slabs();  // the rest stays where it is
  }
  hot_block_ = nullptr;
  pool_.flush();
}

bool IdMap::assign(Ioasid id, void* data) {
  if (!contains(id)) return false;
  locate(id / 64)->slot(id % 64).data.store(data, std::memory_order_release);
  return true;
}

std::vector<Ioasid> IdMap::ids(SetToken set) const {
  std::vector<Ioasid> found;
  directory_.for_each([&](std::uint32_t key, Block& block) {
    for (std::uint64_t rest = block.live(); rest != 0; rest &= rest - 1) {
      const auto offset = static_cast<std::uint32_t>(std::countr_zero(rest));
      if (set == nullptr || block.slot(offset).set.load(std::memory_order_relaxed) == set)
        found.push_back(key * 64 + offset);
    }
  });
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace ioasid::detail
