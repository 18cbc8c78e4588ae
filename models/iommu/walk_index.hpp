// Which walks in flight are of a page: a hash index of slots, chained, that grows with them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace viosim {

// Keys are well-mixed hashes; whoever asks compares what they stand for.
class WalkIndex {
 public:
  static constexpr std::uint32_t none = 0xffffffff;

  void add(std::uint32_t slot, std::uint64_t key) {
    if (slot >= next_.size()) grow(slot + 1);
    keys_[slot] = key;
    std::uint32_t& head = heads_[key & (heads_.size() - 1)];
    next_[slot] = head;
    head = slot;
  }
  // The slot was added with this key.
  void remove(std::uint32_t slot) {
    std::uint32_t* at = &heads_[keys_[slot] & (heads_.size() - 1)];
    while (*at != slot) at = &next_[*at];
    *at = next_[slot];
    keys_[slot] = absent;
  }
  // A slot with this key for which `is(slot)` holds; the one added last.
  template <class Is>
  std::uint32_t find(std::uint64_t key, Is&& is) const {
    if (heads_.empty()) return none;
    for (std::uint32_t slot = heads_[key & (heads_.size() - 1)]; slot != none; slot = next_[slot]) {
      if (keys_[slot] == key && is(slot)) return slot;
    }
    return none;
  }

 private:
  static constexpr std::uint64_t absent = 0;

  void grow(std::size_t slots) {
    const std::size_t size = std::bit_ceil(slots < 16 ? 16 : slots);
    keys_.resize(size, absent);
    next_.resize(size, none);
    heads_.assign(size * 2, none);
    for (std::uint32_t slot = 0; slot < size; ++slot) {
      if (keys_[slot] == absent) continue;
      std::uint32_t& head = heads_[keys_[slot] & (heads_.size() - 1)];
      next_[slot] = head;
      head = slot;
    }
  }

  std::vector<std::uint32_t> heads_;
  std::vector<std::uint32_t> next_;  // by slot
  std::vector<std::uint64_t> keys_;  // by slot; `absent` when it is not in the index
};

}  // namespace viosim
