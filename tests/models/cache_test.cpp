// The cache against a plain list of entries, for each policy.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/cache.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <vector>

using namespace viosim;

namespace {

struct Tag {
  std::uint64_t page = 0;
  std::uint64_t hash() const { return page * 0x9e3779b97f4a7c15U; }
  std::uint32_t set_number() const { return static_cast<std::uint32_t>(page); }
  bool operator==(const Tag&) const = default;
};
using TestCache = Cache<Tag, std::uint64_t>;

// Entries whose groups are what is left of the value when divided by 5, and of the page by 3.
struct Grouped {
  std::uint64_t number = 0;
  static std::uint64_t key(std::uint64_t residue) { return residue * 0x9e3779b97f4a7c15U; }
  std::array<std::uint64_t, 2> groups(const Tag& tag) const {
    return {key(number % 5), key(tag.page % 3)};
  }
  operator std::uint64_t() const { return number; }  // NOLINT: compared with plain numbers
};
using GroupedCache = Cache<Tag, Grouped>;

// What a cache does, without an index, a free list or a queue of victims.
class Plain {
 public:
  explicit Plain(const CacheParams& params) : params_(params) {}

  const std::uint64_t* find(std::uint64_t page) const {
    for (const Entry& entry : entries_) {
      if (entry.page == page) return &entry.value;
    }
    return nullptr;
  }
  void use(std::uint64_t page, std::uint64_t now) {
    for (Entry& entry : entries_) {
      if (entry.page == page && params_.replacement == Replacement::lru) entry.stamp = now;
    }
  }
  void insert(std::uint64_t page, std::uint64_t value, std::uint64_t now) {
    std::erase_if(entries_, [&](const Entry& e) { return e.page == page; });
    const auto in_set = [&](const Entry& e) {
      return e.page % params_.sets() == page % params_.sets();
    };
    if (std::count_if(entries_.begin(), entries_.end(), in_set) == params_.ways_in_use()) {
      if (params_.replacement == Replacement::flush_all) {
        entries_.clear();
      } else {
        auto oldest = entries_.end();
        for (auto e = entries_.begin(); e != entries_.end(); ++e) {
          if (in_set(*e) && (oldest == entries_.end() || e->stamp < oldest->stamp)) oldest = e;
        }
        entries_.erase(oldest);
      }
    }
    entries_.push_back({page, value, now});
  }
  template <class Dies>
  void remove(Dies dies) {
    std::erase_if(entries_, [&](const Entry& e) { return dies(e.page, e.value); });
  }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t page;
    std::uint64_t value;
    std::uint64_t stamp;
  };
  CacheParams params_;
  std::vector<Entry> entries_;
};

}  // namespace

TEST_CASE("a cache holds what a plain list would hold", "[models][cache]") {
  CacheParams params;
  params.replacement = GENERATE(Replacement::lru, Replacement::fifo, Replacement::flush_all);
  const auto [entries, ways] = GENERATE(table<std::uint32_t, std::uint32_t>(
      {{1, 0}, {8, 0}, {8, 1}, {64, 2}, {64, 8}, {40, 5}, {200, 0}, {256, 64}}));
  params.entries = entries;
  params.ways = ways;
  if (params.replacement == Replacement::flush_all) params.ways = 0;
  GroupedCache cache(params, Rng(1, "cache"));
  Plain plain(params);
  Rng rng(entries + ways, "uses");
  for (std::uint64_t now = 1; now <= 20'000; ++now) {
    const std::uint64_t page = rng.below(entries * 3 / 2 + 2);
    const std::uint32_t slot = cache.probe({page});
    const std::uint64_t* expected = plain.find(page);
    REQUIRE((slot != GroupedCache::none) == (expected != nullptr));
    const bool refill = rng.below(20) == 0;
    if (expected != nullptr && !refill) {
      REQUIRE(cache.value(slot) == *expected);
      cache.touch(slot, {now, 0});
      plain.use(page, now);
    } else {
      cache.insert({page}, {now}, {now, 0});
      plain.insert(page, now, now);
    }
    if (rng.below(500) == 0) {
      const std::uint64_t residue = rng.below(7);
      cache.invalidate_if([&](const Tag& tag, Grouped) { return tag.page % 7 == residue; });
      plain.remove([&](std::uint64_t p, std::uint64_t) { return p % 7 == residue; });
    }
    if (now > 5'000 && rng.below(200) == 0) {  // and before that, without groups
      const std::uint64_t which = rng.below(2);
      const std::uint64_t residue = rng.below(which == 0 ? 5 : 3);
      const auto grouped = [&](std::uint64_t page, std::uint64_t value) {
        return (which == 0 ? value % 5 : page % 3) == residue && page % 2 == 0;
      };
      cache.invalidate_group_if(which, Grouped::key(residue), [&](const Tag& tag, Grouped value) {
        return grouped(tag.page, value.number);
      });
      plain.remove(grouped);
    }
    if (rng.below(3'000) == 0) {
      cache.invalidate_all();
      plain.remove([](std::uint64_t, std::uint64_t) { return true; });
    }
    REQUIRE(cache.size() == plain.size());
  }
}

TEST_CASE("a refill of a present entry makes it the youngest, with FIFO as with LRU",
          "[models][cache]") {
  CacheParams params;
  params.entries = 2;
  params.replacement = GENERATE(Replacement::lru, Replacement::fifo);
  TestCache cache(params, Rng(1, "cache"));
  const std::uint32_t slot = cache.insert({1}, 10, {1, 0});
  cache.insert({2}, 20, {2, 0});
  CHECK(cache.insert({1}, 11, {3, 0}) == slot);
  CHECK(cache.value(slot) == 11);
  CHECK(cache.stats.insertions == 3);
  CHECK(cache.stats.evictions == 0);
  cache.insert({3}, 30, {4, 0});
  CHECK(cache.probe({1}) != TestCache::none);
  CHECK(cache.probe({2}) == TestCache::none);
}

TEST_CASE("random replacement evicts from the full set only, the same way for the same seed",
          "[models][cache]") {
  CacheParams params{64, 4, Replacement::random, 5ns};
  const auto survivors = [&](std::uint64_t seed) {
    TestCache cache(params, Rng(seed, "cache"));
    for (std::uint64_t page = 0; page < 64; ++page) cache.insert({page}, page, {page, 0});
    for (std::uint64_t i = 1; i <= 40; ++i)
      cache.insert({64 * i}, i, {100 + i, 0});  // all of set 0
    std::vector<std::uint64_t> in_set_0;
    for (std::uint64_t page = 0; page < 64; ++page) {
      if (page % 16 != 0) REQUIRE(cache.probe({page}) != TestCache::none);
    }
    for (std::uint64_t i = 0; i <= 40; ++i) {
      if (cache.probe({64 * i}) != TestCache::none) in_set_0.push_back(i);
    }
    return in_set_0;
  };
  CHECK(survivors(1) == survivors(1));
  CHECK(survivors(1) != survivors(2));
}
