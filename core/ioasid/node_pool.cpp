// Slabs, and the list of what waits for readers to pass.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/node_pool.hpp"

#include "ioasid/readers.hpp"

#include <algorithm>
#include <new>
#include <thread>

namespace ioasid::detail {

NodePool::~NodePool() {
  for (const Retired& node : retired_) release(node.memory, node.bytes);
  for (const Slab& slab : slabs_) ::operator delete(slab.base);
}

void* NodePool::allocate(std::size_t bytes) {
  if (bytes == cell) return allocate_cell();
  void* memory = ::operator new(bytes);
  bytes_ += bytes;
  return memory;
}

void NodePool::release(void* memory, std::size_t bytes) noexcept {
  if (bytes == cell) return release_cell(memory);
  bytes_ -= bytes;
  ::operator delete(memory);
}

void NodePool::retire(void* memory, std::size_t bytes) noexcept {
  try {
    retired_.push_back({memory, bytes});
  } catch (const std::bad_alloc&) {
    while (!sections_passed()) std::this_thread::yield();
    return release(memory, bytes);
  }
  retired_bytes_ += bytes + sizeof(Retired);
  if (retired_.size() >= flush_at_ || retired_bytes_ - held_up_ > retired_bytes_max()) flush();
}

void NodePool::flush() noexcept {
  if (retired_.empty()) return;
  if (!sections_passed()) {
    flush_at_ = retired_.size() + 64;
    held_up_ = retired_bytes_;
    return;
  }
  for (const Retired& node : retired_) release(node.memory, node.bytes);
  retired_.clear();
  if (retired_.capacity() > 256) retired_.shrink_to_fit();
  retired_bytes_ = held_up_ = 0;
  flush_at_ = 64;
}

bool NodePool::trim() noexcept {
  flush();
  if (!retired_.empty()) return false;
  std::vector<Retired>().swap(retired_);
  if (cells_used_ != 0) return true;
  for (const Slab& slab : slabs_) free_slab(slab);
  std::vector<Slab>().swap(slabs_);
  cells_free_ = cells_closed_ = 0;
  return true;
}

void NodePool::close_slabs() noexcept {
  std::erase_if(slabs_, [&](const Slab& slab) {
    if (slab.used != 0) return false;
    cells_free_ -= slab.cells;
    free_slab(slab);
    return true;
  });
  shrink_list();
  for (Slab& slab : slabs_) {
    const std::uint32_t free = slab.cells - slab.used;
    slab.closed = free * 16u > slab.cells;
    if (!slab.closed) continue;
    cells_closed_ += slab.cells;
    cells_free_ -= free;
  }
}

void NodePool::reopen_slabs() noexcept {
  for (Slab& slab : slabs_) slab.closed = false;
  cells_closed_ = 0;
  cells_free_ = cells_ - cells_used_;
}

std::size_t NodePool::bytes() const {
  return bytes_ + slabs_.capacity() * sizeof(Slab) + retired_.capacity() * sizeof(Retired);
}

void* NodePool::allocate_cell() {
  Slab& slab = cells_free_ == 0 ? add_slab() : slab_with_room();
  void* memory = slab.free;
  slab.free = *static_cast<void**>(memory);
  ++slab.used;
  --cells_free_;
  ++cells_used_;
  return memory;
}

// The slab that holds an address is the last one that begins at or before it.
std::vector<NodePool::Slab>::const_iterator NodePool::slab_of(const void* memory) const {
  const auto* at = static_cast<const std::byte*>(memory);
  return std::upper_bound(slabs_.begin(), slabs_.end(), at,
                          [](const std::byte* a, const Slab& slab) { return a < slab.base; }) -
         1;
}

void NodePool::release_cell(void* memory) noexcept {
  const auto place = slab_of(memory);
  Slab& slab = slabs_[static_cast<std::size_t>(place - slabs_.begin())];
  *static_cast<void**>(memory) = slab.free;
  slab.free = memory;
  --cells_used_;
  if (!slab.closed) ++cells_free_;
  if (--slab.used != 0) return;
  if (!slab.closed && cells_free_ == slab.cells) return;  // the only free cells
  (slab.closed ? cells_closed_ : cells_free_) -= slab.cells;
  free_slab(slab);
  slabs_.erase(place);
  shrink_list();
}

// Its room is by a ninth more than it needs when it grows.
void NodePool::shrink_list() noexcept {
  if (slabs_.capacity() > 2 * slabs_.size() + 16) slabs_.shrink_to_fit();
}

void NodePool::free_slab(const Slab& slab) noexcept {
  cells_ -= slab.cells;
  bytes_ -= slab.cells * cell;
  ::operator delete(slab.base);
}

// Slabs grow with the pool, so that neither a handful of cells nor millions waste memory.
NodePool::Slab& NodePool::add_slab() {
  const std::size_t wanted = cells_ == 0 ? 4 : std::clamp<std::size_t>(cells_ / 32, 8, 2048);
  const auto cells = static_cast<std::uint16_t>(wanted);
  slabs_.reserve(slabs_.size() + 1 + slabs_.size() / 8);
  auto* base = static_cast<std::byte*>(::operator new(cells* cell));
  bytes_ += cells * cell;
  cells_ += cells;
  cells_free_ += cells;
  void* next = nullptr;
  for (std::uint32_t i = cells; i-- > 0;) {
    void* memory = base + i * cell;
    *static_cast<void**>(memory) = next;
    next = memory;
  }
  const auto place = std::upper_bound(slabs_.begin(), slabs_.end(), base,
                                      [](std::byte* a, const Slab& slab) { return a < slab.base; });
  room_ = static_cast<std::size_t>(place - slabs_.begin());
  return *slabs_.insert(place, Slab{base, next, cells, 0, false});
}

NodePool::Slab& NodePool::slab_with_room() {
  if (room_ >= slabs_.size()) room_ = 0;
  while (slabs_[room_].closed || slabs_[room_].free == nullptr)
    room_ = room_ + 1 == slabs_.size() ? 0 : room_ + 1;
  return slabs_[room_];
}

}  // namespace ioasid::detail
