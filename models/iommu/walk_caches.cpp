// Looking for the lowest table that is known, and keeping what walks have found.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/walk_caches.hpp"

#include <fmt/format.h>

namespace viosim {

void WalkCacheParams::check(const Where& where) const {
  if (entries != 0) CacheParams{entries, ways, replacement, Ps(0)}.check(where);
}

WalkCaches::WalkCaches(const WalkCachesParams& params, std::uint64_t seed, const std::string& path)
    : latency_(params.latency) {
  const auto make = [&](Stage stage, std::string_view name, const StageCachesParams& of) {
    const std::array levels{&of.level2, &of.level3, &of.level4, &of.level5};
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const WalkCacheParams& level = *levels[i];
      if (level.entries == 0) continue;
      const auto number = static_cast<std::uint8_t>(i + lowest);
      levels_[index(stage)].push_back(
          {number,
           {CacheParams{level.entries, level.ways, level.replacement, Ps(0)},
            Rng(seed, fmt::format("{}.walk_caches.{}.level{}", path, name, number))}});
      kept_[index(stage)] |= 1U << number;
    }
  };
  make(Stage::first, "first", params.first);
  make(Stage::second, "second", params.second);
}

void WalkCaches::count(Stage stage, unsigned found, std::uint32_t slot, UseStamp stamp) {
  for (Level& each : levels_[index(stage)]) {
    if (each.level == found) {
      ++each.cache.stats.hits;
      return each.cache.touch(slot, stamp);
    }
    ++each.cache.stats.misses;
  }
}

bool WalkCaches::would_change(Stage stage, std::uint64_t space, Iova input, WalkStart start,
                              std::uint32_t hint) const {
  const unsigned level = start.level() + 1U;
  const Level* const kept = find(stage, level);
  if (kept == nullptr) return false;
  const std::uint32_t slot = kept->cache.probe(PageTag::of(input, level, space), hint);
  return slot == none || !(kept->cache.value(slot) == start);
}

void WalkCaches::insert(Stage stage, std::uint64_t space, Iova input, WalkStart start,
                        UseStamp stamp) {
  ++changes_;
  const unsigned level = start.level() + 1U;
  for (Level& each : levels_[index(stage)]) {
    if (each.level == level) each.cache.insert(PageTag::of(input, level, space), start, stamp);
  }
}

void WalkCaches::invalidate_all() {
  ++changes_;
  for (auto& stage : levels_) {
    for (Level& each : stage) each.cache.invalidate_all();
  }
}

}  // namespace viosim
