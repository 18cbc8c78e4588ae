// The id map: finding the lowest free id, and blocks that change their size.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/id_map.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <utility>

namespace ioasid::detail {
namespace {

constexpr std::uint64_t all_live = ~std::uint64_t{0};

// The sizes a block can have, and below how many ids it is moved to the size before. Chosen such
// that an id never costs more than 64 bytes with its share of the block, the bucket and malloc.
struct Size {
  std::uint32_t capacity;
  std::uint32_t live_min;
};
constexpr std::array<Size, 6> sizes{{{1, 1}, {3, 2}, {7, 4}, {15, 6}, {31, 13}, {64, 21}}};

std::uint32_t capacity_for(std::uint32_t live) {
  return std::find_if(sizes.begin(), sizes.end(), [&](Size s) { return s.capacity >= live; })
      ->capacity;
}

bool too_large(const Block& block) {
  const auto live = static_cast<std::uint32_t>(std::popcount(block.live()));
  const auto size = std::find_if(sizes.begin(), sizes.end(),
                                 [&](Size s) { return s.capacity == block.capacity(); });
  return live < size->live_min;
}

std::uint64_t bit_of(Ioasid id) { return std::uint64_t{1} << (id % 64); }

}  // namespace

IdMap::~IdMap() {
  directory_.for_each([&](std::uint32_t, Block& block) { pool_.release(&block, block.bytes()); });
  directory_.destroy(pool_);
}

void IdMap::warm_up(Ioasid id) const {
  const ReadSection section;
  const BlockRef ref = directory_.find(id / 64);
  if (ref.direct()) ref.get_direct()->warm_up(id % 64);
}

Block* IdMap::locate(std::uint32_t key) const {
  if (hot_key_ == key && hot_block_ != nullptr) return hot_block_;
  Block* block = directory_.find(key).get();
  hot_key_ = key;
  hot_block_ = block;
  return block;
}

bool IdMap::contains(Ioasid id) const {
  const Block* block = locate(id / 64);
  return block != nullptr && (block->live() & bit_of(id)) != 0;
}

std::uint64_t IdMap::next_free(Ioasid from) const {
  std::uint32_t key = from / 64;
  const Block* block = locate(key);
  if (block == nullptr) return from;
  const std::uint64_t room = ~block->live() & (all_live << from % 64);
  if (room != 0) return key * 64 + static_cast<std::uint32_t>(std::countr_zero(room));
  key = full_.next_with_room(key + 1);
  if (key == FullBlocks::none) return no_id;
  block = locate(key);
  return key * 64 +
         (block == nullptr ? 0u : static_cast<std::uint32_t>(std::countr_one(block->live())));
}

Ioasid IdMap::insert_lowest(Range range, SetToken set, void* data) {
  const Ioasid max = std::min(range.max, invalid_ioasid - 1);
  const bool in_run = run_first_ <= range.min && range.min <= run_end_;
  const std::uint64_t from = in_run ? run_end_ : range.min;
  if (from > max) return invalid_ioasid;
  const std::uint64_t found = next_free(static_cast<Ioasid>(from));
  if (found > max) return invalid_ioasid;
  const auto id = static_cast<Ioasid>(found);
  insert_free(id, set, data);
  if (!in_run) run_first_ = range.min;
  run_end_ = found + 1;
  return id;
}

bool IdMap::insert(Ioasid id, SetToken set, void* data) {
  if (contains(id)) return false;
  insert_free(id, set, data);
  return true;
}

void IdMap::insert_free(Ioasid id, SetToken set, void* data) {
  const std::uint32_t key = id / 64;
  Block* block = locate(key);
  const bool fills = block != nullptr && (block->live() | bit_of(id)) == all_live;
  if (fills) full_.reserve();
  if (block == nullptr || !block->has_room()) block = &block_with_room(key, block);
  block->publish(id % 64, set, data);
  if (fills) full_.set(key);
  ++size_;
}

// A new block, or a larger one instead of the one that is full.
Block& IdMap::block_with_room(std::uint32_t key, Block* block) {
  Block* larger = nullptr;
  if (block == nullptr) {
    directory_.reserve(pool_);
    larger = Block::make(pool_, 1);
  } else {
    larger = Block::make_like(pool_, *block, capacity_for(block->capacity() + 1));
  }
  directory_.put(key, larger);
  hot_key_ = key;
  hot_block_ = larger;
  if (block != nullptr) pool_.retire(block, block->bytes());
  return *larger;
}

bool IdMap::erase(Ioasid id) {
  const std::uint32_t key = id / 64;
  Block* block = locate(key);
  if (block == nullptr || (block->live() & bit_of(id)) == 0) return false;
  if (block->live() == all_live) full_.clear(key);
  block->remove(id % 64);
  if (run_first_ <= id && id < run_end_) run_end_ = id;
  --size_;
  shrink_later(key, *block);
  return true;
}

void IdMap::shrink_later(std::uint32_t key, const Block& block) {
  if (!too_large(block)) [[likely]]
    return;
  const std::uint32_t before = std::exchange(shrink_key_, key);
  if (before != no_key && before != key) shrink(before);
  if (size_ != 0) return;
  shrink(std::exchange(shrink_key_, no_key));
  full_.forget_all();
  pool_.flush();
}

void IdMap::shrink(std::uint32_t key) {
  Block* block = locate(key);
  if (block == nullptr || !too_large(*block)) return;
  const auto live = static_cast<std::uint32_t>(std::popcount(block->live()));
  if (live == 0) {
    directory_.remove(pool_, key);
  } else {
    try {
      directory_.put(key, Block::make_like(pool_, *block, capacity_for(live)));
    } catch (const std::bad_alloc&) {
      return;  // a large block serves as well
    }
  }
  hot_block_ = nullptr;
  pool_.retire(block, block->bytes());
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
