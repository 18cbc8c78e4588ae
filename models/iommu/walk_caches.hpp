// The caches that let a walk begin further down: of upper entries of page tables, per stage and level.
// SPDX-License-Identifier: Apache-2.0
//
// An entry of level n says where the table of level n-1 is that it points at, and what the entries
// on the way permit. Of a nested first stage it says where that table is in host memory, so that a
// walk need not take the table's address through the second stage again; such entries depend on
// both stages. Entries of the first stage are tagged with domain and PASID, those of the second
// with the domain.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/rng.hpp"
#include "core/base/stats.hpp"
#include "models/iommu/cache.hpp"
#include "models/iommu/entries.hpp"
#include "models/iommu/invalidation.hpp"
#include "models/iommu/page_walk.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace viosim {

struct WalkCacheParams {
  std::uint32_t entries = 0;
  std::uint32_t ways = 0;
  Replacement replacement = Replacement::lru;

  static constexpr auto fields() {
    using P = WalkCacheParams;
    return Fields{
        field("entries", &P::entries,
              "How many entries the cache holds; a power of two times `ways`; 0: there is none.")
            .to(CacheParams::most_entries),
        field("ways", &P::ways, "Entries per set; 0 means fully associative.", "assumed"),
        field("replacement", &P::replacement, "Which entry of a full set makes room for a new one.",
              "assumed")};
  }
  void check(const Where& where) const;
  bool operator==(const WalkCacheParams&) const = default;
};

struct StageCachesParams {
  WalkCacheParams level2;
  WalkCacheParams level3;
  WalkCacheParams level4;
  WalkCacheParams level5;

  std::uint64_t entries() const {
    return std::uint64_t{level2.entries} + level3.entries + level4.entries + level5.entries;
  }
  static constexpr auto fields() {
    using P = StageCachesParams;
    return Fields{field("level2", &P::level2, "Of entries that point at tables of 4 KiB pages."),
                  field("level3", &P::level3, "Of entries that point at tables of level 2."),
                  field("level4", &P::level4, "Of entries that point at tables of level 3."),
                  field("level5", &P::level5, "Of entries that point at tables of level 4.")};
  }
  bool operator==(const StageCachesParams&) const = default;
};

struct WalkCachesParams {
  StageCachesParams first;
  StageCachesParams second;
  Ps latency = 2ns;

  std::uint64_t entries() const { return first.entries() + second.entries(); }
  static constexpr auto fields() {
    using P = WalkCachesParams;
    return Fields{field("first", &P::first, "For the first stage, nested or not.",
                        "none: sizes are not published"),
                  field("second", &P::second, "For the second stage, alone or under a first one.",
                        "none: sizes are not published"),
                  field("latency", &P::latency,
                        "One look-up in all levels of a stage; not spent where the stage has none.",
                        "assumed")};
  }
  bool operator==(const WalkCachesParams&) const = default;
};

class WalkCaches {
 public:
  static constexpr unsigned lowest = 2;
  static constexpr unsigned highest = 5;
  static constexpr std::uint32_t none = 0xffffffff;  // no slot

  WalkCaches(const WalkCachesParams& params, std::uint64_t seed, const std::string& path);

  bool any() const { return has(Stage::first) || has(Stage::second); }
  bool has(Stage stage) const { return levels_kept(stage) != 0; }
  // Bit n says that there is a cache of level n.
  unsigned levels_kept(Stage stage) const { return kept_[index(stage)]; }
  Ps latency() const { return latency_; }

  struct Found {
    WalkStart start;
    std::uint32_t slot = none;
    std::uint8_t level = 0;  // 0: nothing was found
  };
  // The lowest table that is known for an address. Changes nothing. `hint`: a slot of the cache of
  // level `lowest` to look at first.
  Found probe(Stage stage, std::uint64_t space, Iova input, std::uint32_t hint) const {
    for (const Level& each : levels_[index(stage)]) {
      const std::uint32_t slot = each.cache.probe(PageTag::of(input, each.level, space),
                                                  each.level == lowest ? hint : none);
      if (slot != none) return {each.cache.value(slot), slot, each.level};
    }
    return {};
  }
  // Whether the entry of this level is cached that leads towards an address. Changes nothing.
  bool holds(Stage stage, unsigned level, std::uint64_t space, Iova input) const {
    const Level* const kept = find(stage, level);
    return kept != nullptr && kept->cache.probe(PageTag::of(input, level, space)) != none;
  }
  // A number that changes whenever what is cached does.
  std::uint64_t changes() const { return changes_; }
  // Counts a look-up that found `slot` at `level`, and tells the replacement policy of it.
  void count(Stage stage, unsigned found, std::uint32_t slot, UseStamp stamp);
  // Whether insert() would change what is cached. `hint`: a slot of that level to look at first.
  bool would_change(Stage stage, std::uint64_t space, Iova input, WalkStart start,
                    std::uint32_t hint) const;
  // The entry of level start.level() + 1 leads to `start`.
  void insert(Stage stage, std::uint64_t space, Iova input, WalkStart start, UseStamp stamp);

  template <class Dies>  // dies(tag)
  void invalidate_if(Stage stage, Dies&& dies) {
    ++changes_;
    for (Level& each : levels_[index(stage)])
      each.cache.invalidate_if([&](const PageTag& tag, WalkStart) { return dies(tag); });
  }
  void invalidate_all();

  // Null: there is no such cache.
  const CacheStats* stats(Stage stage, unsigned level) const {
    const Level* const found = find(stage, level);
    return found == nullptr ? nullptr : &found->cache.stats;
  }

 private:
  struct Level {
    std::uint8_t level;
    Cache<PageTag, WalkStart> cache;
  };
  static constexpr std::size_t index(Stage stage) { return static_cast<std::size_t>(stage); }
  const Level* find(Stage stage, unsigned level) const {
    for (const Level& each : levels_[index(stage)]) {
      if (each.level == level) return &each;
    }
    return nullptr;
  }

  std::array<std::vector<Level>, 2> levels_;  // those that there are, lowest first
  std::array<unsigned, 2> kept_{};
  std::uint64_t changes_ = 0;
  Ps latency_;
};

}  // namespace viosim
