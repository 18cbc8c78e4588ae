// The slots of a cache by what their entries have in common, so that an invalidation visits those
// that it may concern, not the whole cache.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace viosim {

// Doubly linked chains in a table of buckets. Groups of different keys may share a bucket: who
// visits a group looks at each entry itself. 16 bytes for each slot.
class SlotGroups {
 public:
  static constexpr std::uint32_t none = 0xffffffff;

  explicit SlotGroups(std::size_t slots) : heads_(std::bit_ceil(slots), none), links_(slots) {}

  // `key`: well mixed in its upper bits.
  void join(std::uint32_t slot, std::uint64_t key) {
    const std::uint32_t bucket = bucket_of(key);
    const std::uint32_t next = heads_[bucket];
    links_[slot] = {next, none, bucket};
    if (next != none) links_[next].previous = slot;
    heads_[bucket] = slot;
  }

  void leave(std::uint32_t slot) {
    const Link& link = links_[slot];
    (link.previous == none ? heads_[link.bucket] : links_[link.previous].next) = link.next;
    if (link.next != none) links_[link.next].previous = link.previous;
  }

  // Calls `visit(slot)` for each slot of the key's bucket, in no order that means anything. No slot may
  // join or leave meanwhile.
  template <class Visit>
  void each(std::uint64_t key, Visit&& visit) const {
    for (std::uint32_t slot = heads_[bucket_of(key)]; slot != none; slot = links_[slot].next) {
      visit(slot);
    }
  }

 private:
  struct Link {
    std::uint32_t next = none;
    std::uint32_t previous = none;
    std::uint32_t bucket = 0;
  };
  std::uint32_t bucket_of(std::uint64_t key) const {
    return static_cast<std::uint32_t>((key >> 32U) & (heads_.size() - 1));
  }
  std::vector<std::uint32_t> heads_;
  std::vector<Link> links_;
};

}  // namespace viosim
