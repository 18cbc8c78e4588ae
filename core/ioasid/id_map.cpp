// The id map: finding the lowest free id, and blocks that change their size.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/id_map.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace ioasid::detail {
namespace {

constexpr std::uint64_t all_live = ~std::uint64_t{0};

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
  if (!in_run) close_gaps();
  std::uint64_t found = in_run ? gap_from(range.min) : no_id;
  if (found == no_id) {
    const Ioasid from = in_run ? run_end_ : range.min;
    if (from > max) return invalid_ioasid;
    found = next_free(from);
  }
  if (found > max) return invalid_ioasid;
  const auto id = static_cast<Ioasid>(found);
  insert_free(id, set, data);
  if (!in_run) run_first_ = range.min;
  if (!in_run || id >= run_end_) run_end_ = id + 1;
  return id;
}

std::uint64_t IdMap::gap_from(Ioasid min) const {
  for (const Ioasid gap : gaps_)
    if (gap >= min && gap != no_gap) return gap;
  return no_id;
}

bool IdMap::insert(Ioasid id, SetToken set, void* data) {
  if (contains(id)) return false;
  insert_free(id, set, data);
  return true;
}

void IdMap::insert_free(Ioasid id, SetToken set, void* data) {
  const std::uint32_t key = id / 64;
  Block* block = locate(key);
  const bool fills = block != nullptr && block->count() == 63 && !block->listed_full();
  if (fills) full_.reserve();
  if (block == nullptr || !block->has_room()) [[unlikely]]
    block = &block_with_room(key, block);
  block->publish(id % 64, set, data);
  if (fills) {
    full_.set(key);
    block->list_full(true);
  }
  ++size_;
  if (id < run_end_ && id >= run_first_) remove_gap(id);
}

// A new block, or a larger one instead of the one that is full.
Block& IdMap::block_with_room(std::uint32_t key, Block* block) {
  Block* larger = nullptr;
  if (block == nullptr) {
    directory_.reserve(pool_);
    larger = Block::make(pool_, 1);
  } else {
    larger = Block::make_like(pool_, *block, Block::capacity_for(block->capacity() + 1));
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
  block->remove(id % 64);
  --size_;
  if (run_first_ <= id && id < run_end_)
    add_gap(id);
  else
    unlist(key, *block);
  if (block->too_large()) [[unlikely]]
    shrink_later(key);
  return true;
}

void IdMap::unlist(std::uint32_t key, Block& block) {
  if (!block.listed_full()) return;
  full_.clear(key);
  block.list_full(false);
}

// Keeps the gaps in ascending order; where there are too many the run ends at the last of them.
void IdMap::add_gap(Ioasid id) {
  if (gaps_.back() != no_gap) end_run_at(std::max(gaps_.back(), id));
  if (id >= run_end_) return;
  std::size_t at = gaps_.size() - 1;
  for (; at > 0 && gaps_[at - 1] > id; --at) gaps_[at] = gaps_[at - 1];
  gaps_[at] = id;
}

void IdMap::remove_gap(Ioasid id) {
  const auto gap = std::find(gaps_.begin(), gaps_.end(), id);
  if (gap == gaps_.end()) return;
  std::move(gap + 1, gaps_.end(), gap);
  gaps_.back() = no_gap;
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
  if (size_ != 0) return;
  shrink(std::exchange(shrink_key_, no_key));
  close_gaps();
  full_.forget_all();
  pool_.trim();
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
