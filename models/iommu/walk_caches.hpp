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
#include <optional>
#include <string>

namespace viosim {

struct WalkCacheParams {
  std::uint32_t entries = 0;
  std::uint32_t ways = 0;
  Replacement replacement = Replacement::lru;

  static constexpr auto fields() {
    using P = WalkCacheParams;
    return std::tuple{
        field("entries", &P::entries,
              "How many entries the cache holds; a power of two times `ways`; 0: there is none."),
        field("ways", &P::ways, "Entries per set; 0 means fully associative."),
        field("replacement", &P::replacement,
              "Which entry of a full set makes room for a new one.")};
  }
  void check(const Where& where) const;
  bool operator==(const WalkCacheParams&) const = default;
};

struct StageCachesParams {
  WalkCacheParams level2;
  WalkCacheParams level3;
  WalkCacheParams level4;
  WalkCacheParams level5;

  static constexpr auto fields() {
    using P = StageCachesParams;
    return std::tuple{
        field("level2", &P::level2, "Of entries that point at tables of 4 KiB pages."),
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

  static constexpr auto fields() {
    using P = WalkCachesParams;
    return std::tuple{
        field("first", &P::first, "For the first stage, nested or not.",
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

  WalkCaches(const WalkCachesParams& params, std::uint64_t seed, const std::string& path);

  bool any() const { return any_; }
  bool has(Stage stage) const { return has_[index(stage)]; }
  Ps latency() const { return latency_; }

  struct Found {
    Stage stage = Stage::first;
    std::uint8_t level = 0;  // 0: nothing was found
    std::uint32_t slot = 0;
    WalkStart start;
  };
  // The lowest table that is known for an address. Changes nothing.
  Found probe(Stage stage, std::uint64_t space, Iova input) const;
  // Counts a look-up that found `slot` at `level`, and tells the replacement policy of it.
  void count(Stage stage, unsigned found, std::uint32_t slot, UseStamp stamp);
  // Whether insert() would change what is cached.
  bool would_change(Stage stage, std::uint64_t space, Iova input, const WalkStart& start) const;
  // The entry of level start.level + 1 leads to `start`.
  void insert(Stage stage, std::uint64_t space, Iova input, const WalkStart& start, UseStamp stamp);

  template <class Dies>  // dies(tag)
  void invalidate_if(Stage stage, Dies&& dies) {
    for (auto& cache : caches_[index(stage)]) {
      if (cache)
        cache->invalidate_if([&](const PageTag& tag, const WalkStart&) { return dies(tag); });
    }
  }
  void invalidate_all();

  // Null: there is no such cache.
  const CacheStats* stats(Stage stage, unsigned level) const {
    const auto& cache = caches_[index(stage)][level - lowest];
    return cache ? &cache->stats : nullptr;
  }

 private:
  using LevelCache = Cache<PageTag, WalkStart>;
  static constexpr std::size_t index(Stage stage) { return static_cast<std::size_t>(stage); }

  std::array<std::array<std::optional<LevelCache>, highest - lowest + 1>, 2> caches_;
  std::array<bool, 2> has_{};
  bool any_ = false;
  Ps latency_;
};

}  // namespace viosim
