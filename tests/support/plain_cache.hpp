// A cache as one would write it on a blackboard: a list per set, the next to go at its front.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/cache.hpp"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <vector>

namespace viosim::test {

template <class Value>
class PlainCache {
 public:
  // What an entry is found by. `place` chooses the set.
  struct Key {
    std::uint64_t place = 0;
    std::uint64_t rest = 0;
    std::uint64_t who = 0;
    auto operator<=>(const Key&) const = default;
  };

  PlainCache(const CacheParams& params, Rng rng) : params_(params), rng_(rng) { reset(); }

  const Value* find(const Key& key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &found->second->value;
  }

  void use(const Key& key) {
    auto& set = set_of(key);
    const auto entry = index_.at(key);
    if (params_.replacement == Replacement::lru)
      set.entries.splice(set.entries.end(), set.entries, entry);
  }

  void insert(const Key& key, const Value& value) {
    ++stats.insertions;
    if (const auto found = index_.find(key); found != index_.end()) {
      auto& entries = set_of(key).entries;
      found->second->value = value;
      entries.splice(entries.end(), entries, found->second);
      return;
    }
    if (set_of(key).free.empty()) make_room(set_of(key));
    auto& set = set_of(key);
    set.entries.push_back({key, value, set.free.back()});
    set.free.pop_back();
    index_[key] = std::prev(set.entries.end());
  }

  template <class Dies>
  void invalidate_if(Dies dies) {
    for (Set& set : sets_) {
      std::map<std::uint32_t, Key> dead;  // by slot: so are freed slots used again
      for (const Entry& entry : set.entries) {
        if (dies(entry.key, entry.value)) dead[entry.slot] = entry.key;
      }
      for (const auto& [slot, key] : dead) remove(set, index_.at(key));
      stats.invalidations += dead.size();
    }
  }

  std::size_t size() const { return index_.size(); }

  CacheStats stats;

 private:
  struct Entry {
    Key key;
    Value value;
    std::uint32_t slot;  // only the random policy asks for it
  };
  using Place = typename std::list<Entry>::iterator;
  struct Set {
    std::list<Entry> entries;
    std::vector<std::uint32_t> free;  // the one freed last is used first
  };

  Set& set_of(const Key& key) { return sets_[key.place % sets_.size()]; }

  void make_room(Set& set) {
    if (params_.replacement == Replacement::flush_all) {
      stats.evictions += index_.size();
      return reset();
    }
    ++stats.evictions;
    Place victim = set.entries.begin();
    if (params_.replacement == Replacement::random) {
      const std::uint64_t slot = rng_.below(params_.ways_in_use());
      victim = std::find_if(set.entries.begin(), set.entries.end(),
                            [slot](const Entry& entry) { return entry.slot == slot; });
    }
    remove(set, victim);
  }

  void remove(Set& set, Place entry) {
    set.free.push_back(entry->slot);
    index_.erase(entry->key);
    set.entries.erase(entry);
  }

  void reset() {
    index_.clear();
    sets_.assign(params_.sets(), {});
    for (Set& set : sets_) {
      for (std::uint32_t slot = params_.ways_in_use(); slot-- > 0;) set.free.push_back(slot);
    }
  }

  CacheParams params_;
  Rng rng_;
  std::vector<Set> sets_;
  std::map<Key, Place> index_;
};

}  // namespace viosim::test
