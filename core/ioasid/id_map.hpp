// The id map: from ids to (set, data), lowest free id first, read without a lock.
// SPDX-License-Identifier: Apache-2.0
//
// Ids live in blocks of 64 (block.hpp), found through a hash table (directory.hpp); which blocks
// are full is summarised 64-fold upwards (full_blocks.hpp). A lookup touches the bucket (and some
// beside it where ids are not dense), the head of the block and the record. The lowest free id of a
// range is found from the head of one block, or from a few words of the summary when that block is
// full; and since allocations come from the same range again and again, the map remembers one run
// of live ids that it need not look through.
#pragma once

#include "ioasid/directory.hpp"
#include "ioasid/full_blocks.hpp"
#include "ioasid/node_pool.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ioasid::detail {

class IdMap {
 public:
  IdMap() = default;
  ~IdMap();  // no reader may be left
  IdMap(const IdMap&) = delete;
  IdMap& operator=(const IdMap&) = delete;

  // For readers: any thread, any time, inside a ReadSection that began before the map was looked
  // up.
  Found find(SetToken set, Ioasid id) const {
    const BlockRef block = directory_.find(id / 64);
    if (block.direct()) [[likely]]
      return block.get_direct()->find_direct(set, id % 64);
    if (!block) return {Error::enoent, nullptr};
    return block.get()->find_compact(set, id % 64);
  }
  // Asks for the cache lines that erase(id) is going to write, and waits for them.
  void warm_up(Ioasid id) const;

  // For writers, one at a time. Where memory is needed std::bad_alloc may be thrown, and then
  // nothing has changed.
  bool contains(Ioasid id) const;
  // Stores at the lowest free id in the range and returns it; invalid_ioasid if there is none. The
  // invalid id itself is never handed out.
  Ioasid insert_lowest(Range range, SetToken set, void* data);
  bool insert(Ioasid id, SetToken set, void* data);  // false: live already
  bool erase(Ioasid id);                             // false: not live
  bool assign(Ioasid id, void* data);                // false: not live
  std::size_t size() const { return size_; }
  std::vector<Ioasid> ids(SetToken set) const;  // ascending; nullptr: of every set
  std::size_t bytes() const { return pool_.bytes() + full_.bytes(); }
  void flush() noexcept { pool_.flush(); }
  // What an empty map keeps for the next id is given back, unless a reader is in the way.
  void keep_nothing() noexcept;
  // What an empty map has kept because a reader was in the way is given back, if none is now.
  void trim() const noexcept {
    if (kept_ && size_ == 0) kept_ = !pool_.trim();
  }

 private:
  static constexpr std::uint64_t no_id = std::uint64_t{1} << 32;
  static constexpr std::uint64_t all_live = ~std::uint64_t{0};
  static constexpr std::uint64_t bit_of(Ioasid id) { return std::uint64_t{1} << (id % 64); }

  // What an empty map keeps, so that one that has an id now and then does not make and free its few
  // nodes each time, with a barrier for all threads. Together with a space it is below 1 KB.
  static constexpr std::size_t remains_max = 360;

  static constexpr Ioasid no_gap = invalid_ioasid;
  static constexpr std::uint32_t no_key = 0xffffffffu;

  Block* locate(std::uint32_t key) const {
    if (hot_key_ == key && hot_block_ != nullptr) return hot_block_;
    hot_key_ = key;
    return hot_block_ = directory_.find(key).get();
  }
  std::uint64_t next_free(Ioasid from) const;
  std::uint64_t gap_from(Ioasid min) const;
  void insert_free(Ioasid id, SetToken set, void* data);
  Block& block_with_room(std::uint32_t key, Block* block);
  void unlist(std::uint32_t key, Block& block);
  void add_gap(Ioasid id);
  void remove_gap(Ioasid id);
  void end_run_at(Ioasid id);
  void close_gaps();
  void shrink(std::uint32_t key);
  void repack() noexcept;
  void shrink_later(std::uint32_t key);

  // What writers touch every time comes first: the space puts its lock on the same cache line.
  std::uint32_t size_ = 0;
  // Every id in [run_first_, run_end_) is live but the gaps, which are in ascending order. The
  // summary does not know of the gaps: a block that was full is still listed there.
  Ioasid run_first_ = 0;
  Ioasid run_end_ = 0;
  std::array<Ioasid, 4> gaps_{no_gap, no_gap, no_gap, no_gap};
  mutable std::uint32_t hot_key_ = 0;
  mutable Block* hot_block_ = nullptr;  // of hot_key_, the last one located

  // One block that has become too large for what is in it waits here until the next one does, so
  // that an id allocated and freed again and again does not rebuild its block each time.
  std::uint32_t shrink_key_ = no_key;
  FullBlocks full_;
  mutable NodePool pool_;
  mutable bool kept_ = false;
  Directory directory_;  // read by everybody, written rarely: far from the front
};

inline std::uint64_t IdMap::next_free(Ioasid from) const {
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

inline Ioasid IdMap::insert_lowest(Range range, SetToken set, void* data) {
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

inline std::uint64_t IdMap::gap_from(Ioasid min) const {
  for (const Ioasid gap : gaps_)
    if (gap >= min && gap != no_gap) return gap;
  return no_id;
}

inline void IdMap::insert_free(Ioasid id, SetToken set, void* data) {
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

inline bool IdMap::erase(Ioasid id) {
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

// Keeps the gaps in ascending order; where there are too many the run ends at the last of them.
inline void IdMap::add_gap(Ioasid id) {
  if (gaps_.back() != no_gap) end_run_at(std::max(gaps_.back(), id));
  if (id >= run_end_) return;
  std::size_t at = gaps_.size() - 1;
  for (; at > 0 && gaps_[at - 1] > id; --at) gaps_[at] = gaps_[at - 1];
  gaps_[at] = id;
}

inline void IdMap::remove_gap(Ioasid id) {
  std::size_t at = 0;
  while (gaps_[at] != id)
    if (++at == gaps_.size()) return;
  for (; at + 1 < gaps_.size(); ++at) gaps_[at] = gaps_[at + 1];
  gaps_.back() = no_gap;
}

}  // namespace ioasid::detail
