// The id map: from ids to (set, data), lowest free id first, read without a lock.
// SPDX-License-Identifier: Apache-2.0
//
// Ids live in blocks of 64 (block.hpp), found through a hash table (directory.hpp); which blocks
// are full is summarised 64-fold upwards (full_blocks.hpp). A lookup touches the bucket, the head
// of the block and the record. The lowest free id of a range is found from the head of one block,
// or from a few words of the summary when that block is full; and since allocations come from the
// same range again and again, the map remembers one run of live ids that it need not look through.
#pragma once

#include "ioasid/directory.hpp"
#include "ioasid/full_blocks.hpp"
#include "ioasid/node_pool.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/types.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ioasid::detail {

class IdMap {
 public:
  IdMap() = default;
  ~IdMap();  // no reader may be left
  IdMap(const IdMap&) = delete;
  IdMap& operator=(const IdMap&) = delete;

  // For readers: any thread, any time.
  Found find(SetToken set, Ioasid id) const {
    const ReadSection section;
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

 private:
  static constexpr std::uint64_t no_id = std::uint64_t{1} << 32;

  Block* locate(std::uint32_t key) const;
  std::uint64_t next_free(Ioasid from) const;
  void insert_free(Ioasid id, SetToken set, void* data);
  Block& block_with_room(std::uint32_t key, Block* block);
  void shrink(std::uint32_t key);
  void shrink_later(std::uint32_t key, const Block& block);

  // What writers touch every time comes first: the space puts its lock on the same cache line.
  std::size_t size_ = 0;
  // Every id in [run_first_, run_end_) is live.
  std::uint64_t run_first_ = 0;
  std::uint64_t run_end_ = 0;
  mutable Block* hot_block_ = nullptr;  // of hot_key_, the last one located
  mutable std::uint32_t hot_key_ = 0;
  // One block that has become too large for what is in it waits here until the next one does, so
  // that an id allocated and freed again and again does not rebuild its block each time.
  std::uint32_t shrink_key_ = no_key;
  static constexpr std::uint32_t no_key = 0xffffffffu;

  FullBlocks full_;
  NodePool pool_;
  Directory directory_;  // read by everybody, written rarely: far from the front
};

}  // namespace ioasid::detail
