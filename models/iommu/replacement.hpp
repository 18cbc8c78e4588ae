// Which entry of a full set makes room: the replacement policies of the IOMMU's caches.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/rng.hpp"
#include "core/base/time.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <vector>

namespace viosim {

enum class Replacement : std::uint8_t { lru, fifo, random, flush_all };

constexpr auto choices(Replacement) {
  return std::array{
      Choice{Replacement::lru, "lru", "the entry whose last use is longest ago"},
      Choice{Replacement::fifo, "fifo", "the entry that was filled first; a refill counts anew"},
      Choice{Replacement::random, "random", "any entry of the set, drawn from the run's seed"},
      Choice{Replacement::flush_all, "flush-all",
             "every entry of the whole cache, as software emulations do"}};
}

// When an entry was used: the order of events at one instant included. Devices may be simulated out
// of order within a window, so a counter of uses would not do: this compares like the events' own
// key. Agenda events run in their order, so those of an instant are counted; a device's arrivals
// follow them, by device.
struct UseStamp {
  std::uint64_t time = 0;
  std::uint32_t order = 0;  // of the uses at this instant
  auto operator<=>(const UseStamp&) const = default;

  static constexpr std::uint32_t arrivals = 1U << 31U;
  static constexpr UseStamp arrival(std::uint64_t at, std::uint32_t device) {
    return {at, arrivals | device};
  }
  // The use that follows `last`, both by agenda events.
  static constexpr UseStamp event(Instant at, UseStamp last) {
    const auto now = static_cast<std::uint64_t>(at.ps());
    return {now, now == last.time ? last.order + 1 : 0};
  }
  constexpr Instant instant() const { return Instant(Ps(static_cast<std::int64_t>(time))); }
};

// Chooses victims among the `ways` entries of a set, all of them in use. One chooser serves all
// sets of a cache.
//
// For LRU and FIFO the victim is the entry with the lowest stamp. Sets of many ways would make a
// scan per eviction dear, so one pass lists all entries, oldest first; later evictions take from it
// the next entry whose stamp has not changed. An entry touched or refilled since has a newer stamp
// than any that was not, hence the answer is exact; the pass is paid for by the evictions that
// emptied the list.
class VictimChooser {
 public:
  VictimChooser(Replacement policy, std::uint32_t sets, std::uint32_t ways, Rng rng);

  // `stamp_of(slot)` answers for slots [set * ways, set * ways + ways).
  template <class StampOf>
  std::uint32_t choose(std::uint32_t set, StampOf&& stamp_of) {
    const std::uint32_t first = set * ways_;
    if (policy_ == Replacement::random)
      return first + static_cast<std::uint32_t>(rng_.below(ways_));
    if (ways_ <= narrow) return oldest_by_scan(first, stamp_of);
    for (;;) {
      std::vector<Candidate>& queue = queues_[set];
      while (!queue.empty()) {
        const Candidate candidate = queue.back();
        queue.pop_back();
        if (stamp_of(candidate.slot) == candidate.stamp()) return candidate.slot;
      }
      refill(queue, first, stamp_of);
    }
  }

 private:
  static constexpr std::uint32_t narrow = 32;
  struct Candidate {
    std::uint64_t time = 0;
    std::uint32_t order = 0;
    std::uint32_t slot = 0;
    UseStamp stamp() const { return {time, order}; }
    auto operator<=>(const Candidate&) const = default;
  };

  template <class StampOf>
  std::uint32_t oldest_by_scan(std::uint32_t first, StampOf& stamp_of) const {
    std::uint32_t oldest = first;
    for (std::uint32_t slot = first + 1; slot < first + ways_; ++slot) {
      if (stamp_of(slot) < stamp_of(oldest)) oldest = slot;
    }
    return oldest;
  }
  template <class StampOf>
  void refill(std::vector<Candidate>& queue, std::uint32_t first, StampOf& stamp_of) {
    queue.resize(ways_);
    for (std::uint32_t way = 0; way < ways_; ++way) {
      const UseStamp stamp = stamp_of(first + way);
      queue[way] = {stamp.time, stamp.order, first + way};
    }
    sort_youngest_first(queue);
  }
  void sort_youngest_first(std::vector<Candidate>& queue);

  Replacement policy_;
  std::uint32_t ways_;
  Rng rng_;
  std::vector<std::vector<Candidate>>
      queues_;  // per set, youngest first: the next victim is at the back; only when not narrow
  std::vector<Candidate> unsorted_;          // of one sort
  std::vector<std::uint32_t> bucket_begin_;  // of one sort
};

}  // namespace viosim
