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
      caches_[index(stage)][i].emplace(
          CacheParams{level.entries, level.ways, level.replacement, Ps(0)},
          Rng(seed, fmt::format("{}.walk_caches.{}.level{}", path, name, i + lowest)));
      has_[index(stage)] = true;
      any_ = true;
    }
  };
  make(Stage::first, "first", params.first);
  make(Stage::second, "second", params.second);
}

WalkCaches::Found WalkCaches::probe(Stage stage, std::uint64_t space, Iova input) const {
  for (unsigned level = lowest; level <= highest; ++level) {
    const auto& cache = caches_[index(stage)][level - lowest];
    if (!cache) continue;
    const std::uint32_t slot = cache->probe(PageTag::of(input, level, space));
    if (slot != LevelCache::none)
      return {stage, static_cast<std::uint8_t>(level), slot, cache->value(slot)};
  }
  return {stage, 0, 0, {}};
}

void WalkCaches::count(Stage stage, unsigned found, std::uint32_t slot, UseStamp stamp) {
  for (unsigned level = lowest; level <= highest; ++level) {
    auto& cache = caches_[index(stage)][level - lowest];
    if (!cache) continue;
    if (level == found) {
      ++cache->stats.hits;
      return cache->touch(slot, stamp);
    }
    ++cache->stats.misses;
  }
}

bool WalkCaches::would_change(Stage stage, std::uint64_t space, Iova input,
                              const WalkStart& start) const {
  const unsigned level = start.level + 1U;
  const auto& cache = caches_[index(stage)][level - lowest];
  if (!cache) return false;
  const std::uint32_t slot = cache->probe(PageTag::of(input, level, space));
  return slot == LevelCache::none || !(cache->value(slot) == start);
}

void WalkCaches::insert(Stage stage, std::uint64_t space, Iova input, const WalkStart& start,
                        UseStamp stamp) {
  const unsigned level = start.level + 1U;
  auto& cache = caches_[index(stage)][level - lowest];
  if (cache) cache->insert(PageTag::of(input, level, space), start, stamp);
}

void WalkCaches::invalidate_all() {
  for (auto& stage : caches_) {
    for (auto& cache : stage) {
      if (cache) cache->invalidate_all();
    }
  }
}

}  // namespace viosim
