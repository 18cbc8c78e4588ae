// Memory of the id map's nodes, and their reclamation once no reader can be on them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ioasid::detail {

// Gives out memory and counts it. Cells of `cell` bytes, of which a map of far apart ids needs one
// per id, come from slabs without any per-cell overhead; everything else from operator new.
class NodePool {
 public:
  static constexpr std::size_t cell = 32;

  NodePool() = default;
  ~NodePool();  // no reader may be left
  NodePool(const NodePool&) = delete;
  NodePool& operator=(const NodePool&) = delete;

  void* allocate(std::size_t bytes);  // throws std::bad_alloc
  // Never published, or no reader left: gone at once.
  void release(void* memory, std::size_t bytes) noexcept;
  // Unpublished just now: gone when no reader can be on it any more.
  void retire(void* memory, std::size_t bytes) noexcept;
  // Frees what was retired if no reader is in the way.
  void flush() noexcept;

  // The same, and gives back what was kept for later. When nothing is in use. False: a reader was
  // in the way, and there is something left to give back.
  bool trim() noexcept;

  // So many cells are free, scattered over the slabs, that it is worth the owner's while to close
  // the slabs that are not almost full, move what is in them to cells allocated anew, and retire
  // the old ones; a slab that is empty then goes. Where the memory for that is short, reopen()
  // makes them usable again. For who frees: more than half of the cells. For who takes memory for
  // something else, which must not cost more than `nodes` can bear: a fifth of these.
  bool sparse() const { return worth_moving() > cells_used_ + spare; }
  bool sparse_for(std::size_t nodes) const { return worth_moving() > nodes / 5 + spare / 4; }
  void close_slabs() noexcept;
  void reopen_slabs() noexcept;
  bool closed(const void* memory) const { return slab_of(memory)->closed; }

  std::size_t bytes() const;  // held, with the pool's own bookkeeping

 private:
  struct Slab {
    std::byte* base;
    void* free;  // a list through the free cells
    std::uint16_t cells;
    std::uint16_t used;
    bool closed;
  };
  struct Retired {
    void* memory;
    std::size_t bytes;
  };
  // Less is not worth a barrier; in a small pool not even an eighth of it, in a large one a 32nd.
  static constexpr std::size_t retired_bytes_min = 1024;
  static constexpr std::size_t retired_bytes_small = 4096;
  std::size_t retired_bytes_max() const {
    return std::max({retired_bytes_min, std::min(retired_bytes_small, bytes_ / 8), bytes_ / 32});
  }

  static constexpr std::size_t spare = 128;  // cells that are not worth moving anything

  void* allocate_cell();
  void release_cell(void* memory) noexcept;
  std::size_t worth_moving() const { return cells_closed_ == 0 ? cells_ - cells_used_ : 0; }
  std::vector<Slab>::const_iterator slab_of(const void* memory) const;
  Slab& add_slab();
  void free_slab(const Slab& slab) noexcept;
  void shrink_list() noexcept;
  Slab& slab_with_room();

  std::vector<Slab> slabs_;  // by address
  std::vector<Retired> retired_;
  std::size_t bytes_ = 0;       // from operator new
  std::size_t cells_free_ = 0;  // in slabs that are not closed
  std::size_t cells_used_ = 0;
  std::size_t cells_closed_ = 0;
  std::size_t cells_ = 0;          // in all slabs
  std::size_t room_ = 0;           // index of a slab that had room lately
  std::size_t retired_bytes_ = 0;  // with their places in the list
  // Grow while a reader is in the way, so that not every node that is retired asks again.
  std::size_t flush_at_ = 64;  // retired nodes
  std::size_t held_up_ = 0;    // of the retired bytes
};

}  // namespace ioasid::detail
