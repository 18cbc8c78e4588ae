// A set-associative cache with exact tags: the shape of the context cache, the PASID cache and the
// IOTLB.
// SPDX-License-Identifier: Apache-2.0
//
// In sets of one or two ways an entry is found by looking at them; with more ways finding it costs
// one step in a hash index whatever the associativity, and sets and ways only decide who makes room
// for whom. An entry is one cache line of the machine we run on: tag, value and last use lie
// together. The index holds a few bits of each entry's hash beside its slot, so that a look-up
// touches no entry but its own. A cache takes as much memory as it ever held entries, and its index.
#pragma once

#include "core/base/error.hpp"
#include "core/base/fields.hpp"
#include "core/base/prefetch.hpp"
#include "core/base/stats.hpp"
#include "models/iommu/lazy_array.hpp"
#include "models/iommu/replacement.hpp"
#include "models/iommu/slot_groups.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

struct CacheParams {
  std::uint32_t entries = 64;
  std::uint32_t ways = 0;
  Replacement replacement = Replacement::lru;
  Ps latency = 5ns;

  static constexpr std::uint32_t most_entries = 1U << 20U;

  static constexpr auto fields() {
    return Fields{
        field("entries", &CacheParams::entries,
              "How many entries the cache holds; a power of two times `ways`.")
            .from(1)
            .to(most_entries),
        field("ways", &CacheParams::ways, "Entries per set; 0 means fully associative.", "assumed"),
        field("replacement", &CacheParams::replacement,
              "Which entry of a full set makes room for a new one.", "assumed"),
        field("latency", &CacheParams::latency, "One look-up, whether it hits or misses.")};
  }
  std::uint32_t ways_in_use() const { return ways == 0 ? entries : ways; }
  std::uint32_t sets() const { return entries / ways_in_use(); }
  void check(const Where& where) const;
  bool operator==(const CacheParams&) const = default;
};

struct CacheStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t insertions = 0;
  std::uint64_t evictions = 0;      // to make room
  std::uint64_t invalidations = 0;  // entries removed by software's order
  static constexpr auto fields() {
    return Fields{
        metric("hits", &CacheStats::hits, Unit::count, "Look-ups that found their entry."),
        metric("misses", &CacheStats::misses, Unit::count, "Look-ups that did not."),
        metric("insertions", &CacheStats::insertions, Unit::count, "Entries filled."),
        metric("evictions", &CacheStats::evictions, Unit::count, "Entries removed to make room."),
        metric("invalidations", &CacheStats::invalidations, Unit::count,
               "Entries removed by invalidation.")};
  }
};

// Tag: equality, hash() (64 bits, the upper 40 of them well mixed) and set_number() (consecutive
// pages or requesters give consecutive numbers). Value: trivially copyable; with groups(tag), the keys of what
// an entry belongs to (64 bits each, the upper 32 well mixed), entries can be invalidated group by group.
template <class Tag, class Value>
class Cache {
 public:
  static constexpr std::uint32_t none = 0xffffffff;
  static constexpr std::uint32_t in_use = 0xfffffffe;

  Cache(const CacheParams& params, Rng rng)
      : policy_(params.replacement),
        ways_(params.ways_in_use()),
        set_mask_(params.sets() - 1),
        entries_(params.entries,
                 ways_ <= few_ways ? Entries::Content::zeros : Entries::Content::none),
        index_(ways_ <= few_ways
                   ? 0
                   : std::min(smallest_index, std::bit_ceil(std::size_t{params.entries} * 2))),
        index_mask_(index_.empty() ? 0 : index_.size() - 1),
        sets_(params.sets()),
        chooser_(params.replacement, params.sets(), ways_, rng) {}

  // What would you say? Changes nothing. The slot of the entry, or `none`. `hint` is a slot to look
  // at first.
  std::uint32_t probe(const Tag& tag, std::uint32_t hint = none) const {
    if (hint != none && holds(hint, tag)) return hint;
    if (ways_ <= few_ways) {
      const std::uint32_t first = set_of(tag) * ways_;
      if (holds(first, tag)) return first;
      return ways_ == 2 && holds(first + 1, tag) ? first + 1 : none;
    }
    const std::uint64_t hash = tag.hash();
    const std::uint32_t mark = mark_of(hash);
    for (std::size_t i = home_of(hash); index_[i] != 0; i = (i + 1) & index_mask_) {
      if ((index_[i] & ~slot_mask) != mark) continue;
      const std::uint32_t slot = (index_[i] & slot_mask) - 1;
      if (entries_[slot].tag == tag) return slot;
    }
    return none;
  }
  const Value& value(std::uint32_t slot) const { return entries_[slot].value; }
  const Tag& tag(std::uint32_t slot) const { return entries_[slot].tag; }

  // Hints to the machine we run on, that a tag will be looked at soon: first where its look-up begins,
  // and when that has arrived, its entry. False: it has none, or this cannot be said without looking.
  void prefetch_home(const Tag& tag) const {
    if (ways_ <= few_ways) return prefetch_line(&entries_[set_of(tag) * ways_]);
    prefetch_line(&index_[home_of(tag.hash())]);
  }
  bool prefetch(const Tag& tag) const {
    if (ways_ <= few_ways) return false;
    const std::uint64_t hash = tag.hash();
    const std::uint32_t mark = mark_of(hash);
    std::size_t i = home_of(hash);
    while (index_[i] != 0 && (index_[i] & ~slot_mask) != mark) i = (i + 1) & index_mask_;
    if (index_[i] == 0) return false;
    prefetch_line(&entries_[(index_[i] & slot_mask) - 1]);
    return true;
  }
  void prefetch_slot(std::uint32_t slot) const {
    if (slot != none) prefetch_line(&entries_[slot]);
  }

  // Tells the replacement policy of a use. Uses may be told in any order.
  void touch(std::uint32_t slot, UseStamp stamp) {
    if (policy_ == Replacement::lru && entries_[slot].stamp < stamp) entries_[slot].stamp = stamp;
  }

  // Inserts or overwrites. Returns the slot. What two walks of one page fill is there already when
  // the second ends: it then keeps its slot, counts as an insertion again, and is with LRU and FIFO
  // alike the youngest of its set, as if it had been taken out and put in.
  std::uint32_t insert(const Tag& tag, const Value& value, UseStamp stamp) {
    ++stats.insertions;
    std::uint32_t slot = probe(tag);
    if (slot == none) {
      slot = make_room(tag);
      entries_[slot].tag = tag;
      entries_[slot].next_free = in_use;
      ++size_;
      add_to_index(slot);
    } else {
      leave_groups(slot);
    }
    entries_[slot].value = value;
    entries_[slot].stamp = stamp;
    join_groups(slot);
    return slot;
  }

  // Removes the entry with this tag, if there is one.
  void invalidate(const Tag& tag) {
    const std::uint32_t slot = probe(tag);
    if (slot != none) {
      remove(slot);
      ++stats.invalidations;
    }
  }
  // Removes every entry for which `dies(tag, value)` says so.
  template <class Dies>
  void invalidate_if(Dies&& dies) {
    for_each_used([&](std::uint32_t slot) {
      if (!dies(entries_[slot].tag, entries_[slot].value)) return;
      remove(slot);
      ++stats.invalidations;
    });
  }
  // The same where all that may die have `key` in place `which` of their groups: costs what the group
  // has, not the cache. Who never calls it pays nothing; the first call sorts what is there.
  template <class Dies>
  void invalidate_group_if(std::size_t which, std::uint64_t key, Dies&& dies) {
    static_assert(grouped);
    if (groups_.empty()) sort_into_groups();
    dying_.clear();
    groups_[which].each(key, [&](std::uint32_t slot) {
      if (dies(entries_[slot].tag, entries_[slot].value)) dying_.push_back(slot);
    });
    // In the order of slots, as from a look at the whole cache: it decides which are filled first.
    std::sort(dying_.begin(), dying_.end());
    for (const std::uint32_t slot : dying_) remove(slot);
    stats.invalidations += dying_.size();
  }
  void invalidate_all() {
    stats.invalidations += size_;
    clear();
  }

  // visit(tag, value) of each entry, in the order of slots.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each_used([&](std::uint32_t slot) { visit(entries_[slot].tag, entries_[slot].value); });
  }

  std::uint32_t size() const { return size_; }
  std::uint32_t capacity() const { return static_cast<std::uint32_t>(entries_.size()); }

  CacheStats stats;

 private:
  // All zeros are no entry in use.
  struct alignas(64) Entry {
    Tag tag;
    std::uint32_t next_free;  // `in_use` while the slot is
    Value value;
    UseStamp stamp;
    bool used() const { return next_free == in_use; }
  };
  static_assert(sizeof(Entry) == 64, "an entry is one cache line");
  using Entries = LazyArray<Entry>;
  // Slots of a set are used in their order; those that were used and are free again, before them, the last one first.
  struct Set {
    std::uint32_t first_free = none;  // of those
    std::uint32_t begun = 0;          // how many were ever used since the cache was empty
  };
  static constexpr std::uint32_t few_ways = 2;
  static constexpr std::size_t smallest_index = 64;
  static constexpr bool grouped = requires(const Tag& tag, const Value& value) {
    value.groups(tag);
  };

  bool holds(std::uint32_t slot, const Tag& tag) const {
    return entries_[slot].tag == tag && entries_[slot].used();
  }

  // A word of the index: 0 when empty, otherwise slot + 1 and above it the mark, bits of the hash.
  static constexpr std::uint32_t slot_bits = 21;
  static constexpr std::uint32_t slot_mask = (1U << slot_bits) - 1;
  static_assert(CacheParams::most_entries < slot_mask);
  static std::uint32_t mark_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 8U) & ~slot_mask;
  }
  std::size_t home_of(std::uint64_t hash) const { return (hash >> 40U) & index_mask_; }

  std::uint32_t set_of(const Tag& tag) const {
    return static_cast<std::uint32_t>(tag.set_number()) & set_mask_;
  }

  std::uint32_t make_room(const Tag& tag) {
    const std::uint32_t number = set_of(tag);
    if (full(sets_[number])) {
      if (policy_ == Replacement::flush_all) {
        stats.evictions += size_;
        clear();
      } else {
        const std::uint32_t victim =
            chooser_.choose(number, [this](std::uint32_t slot) { return entries_[slot].stamp; });
        ++stats.evictions;
        remove(victim);
      }
    }
    Set& set = sets_[number];
    if (set.first_free == none) return number * ways_ + set.begun++;
    const std::uint32_t slot = set.first_free;
    set.first_free = entries_[slot].next_free;
    return slot;
  }
  bool full(const Set& set) const { return set.first_free == none && set.begun == ways_; }

  // use(slot), in the order of slots; it may remove that entry.
  template <class Use>
  void for_each_used(Use&& use) const {
    for (std::uint32_t set = 0; set < sets_.size(); ++set) {
      const std::uint32_t first = set * ways_;
      for (std::uint32_t slot = first; slot < first + sets_[set].begun; ++slot)
        if (entries_[slot].used()) use(slot);
    }
  }

  void add_to_index(std::uint32_t slot) {
    if (ways_ <= few_ways) return;
    if (std::size_t{size_} * 2 > index_.size()) return grow_index();
    const std::uint64_t hash = entries_[slot].tag.hash();
    std::size_t i = home_of(hash);
    while (index_[i] != 0) i = (i + 1) & index_mask_;
    index_[i] = mark_of(hash) | (slot + 1);
  }
  void grow_index() {
    index_.assign(index_.size() * 2, 0);
    index_mask_ = index_.size() - 1;
    for_each_used([this](std::uint32_t slot) { add_to_index(slot); });
  }

  void remove(std::uint32_t slot) {
    remove_from_index(slot);
    leave_groups(slot);
    Set& set = sets_[slot / ways_];
    entries_[slot].stamp = {};
    entries_[slot].next_free = set.first_free;
    set.first_free = slot;
    --size_;
  }

  // Closes the gap, so that probing needs no tombstones.
  void remove_from_index(std::uint32_t slot) {
    if (ways_ <= few_ways) return;
    std::size_t gap = home_of(entries_[slot].tag.hash());
    while ((index_[gap] & slot_mask) != slot + 1) gap = (gap + 1) & index_mask_;
    for (std::size_t i = (gap + 1) & index_mask_; index_[i] != 0; i = (i + 1) & index_mask_) {
      const std::size_t home = home_of(entries_[(index_[i] & slot_mask) - 1].tag.hash());
      if (((i - home) & index_mask_) >= ((i - gap) & index_mask_)) {
        index_[gap] = index_[i];
        gap = i;
      }
    }
    index_[gap] = 0;
  }

  void sort_into_groups() {
    if constexpr (grouped)
      groups_.assign(Value{}.groups(Tag{}).size(), SlotGroups(entries_.size()));
    for_each_used([this](std::uint32_t slot) { join_groups(slot); });
  }
  void join_groups([[maybe_unused]] std::uint32_t slot) {
    if constexpr (grouped) {
      const auto keys = entries_[slot].value.groups(entries_[slot].tag);
      for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].join(slot, keys[i]);
    }
  }
  void leave_groups(std::uint32_t slot) {
    for (SlotGroups& each : groups_) each.leave(slot);
  }

  void clear() {
    std::fill(index_.begin(), index_.end(), 0);
    groups_.clear();
    for_each_used([this](std::uint32_t slot) {
      entries_[slot].stamp = {};
      entries_[slot].next_free = none;
    });
    std::fill(sets_.begin(), sets_.end(), Set());
    size_ = 0;
  }

  Replacement policy_;
  std::uint32_t ways_;
  std::uint32_t set_mask_;
  std::uint32_t size_ = 0;
  Entries entries_;
  std::vector<std::uint32_t>
      index_;  // at least twice the entries in use; empty when sets have few ways
  std::size_t index_mask_;
  std::vector<Set> sets_;
  VictimChooser chooser_;
  std::vector<SlotGroups> groups_;  // empty until somebody asks for a group
  std::vector<std::uint32_t> dying_;
};

}  // namespace viosim
