// What software changes, when, and from when on hardware cannot know what was before.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "models/iommu/rights.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace viosim::test {

class History {
 public:
  struct Value {
    std::uint64_t target = 0;  // 0: absent
    Rights rights;
  };
  void change(Instant at, Value value) { changes_.push_back({at, value}); }
  // An invalidation that software submitted at `submitted` is done. `drained`: after the walks that
  // were in flight.
  void fence(Instant submitted, Instant done, bool drained) {
    fences_.push_back({submitted, done, drained});
  }
  Value last() const { return changes_.back().value; }
  // What was there before may not be known to who asks at `arrival`, nor to whose walk is answered at
  // `walked`: `arrival` where there was none.
  // What software changed just before it submitted is over then, but for who asks at one instant
  // with all of it.
  Instant known_since(Instant arrival, Instant walked) const {
    Instant since;
    for (const Fence& fence : fences_) {
      const bool over = fence.done < (fence.drained ? std::max(arrival, walked) : arrival);
      if (over || fence.done == arrival)
        since = std::max(since, fence.submitted + Ps(over ? 1 : 0));
    }
    return since;
  }
  // Calls see(value) for each value that was there at an instant in [from, to].
  template <class See>
  void for_each(Instant from, Instant to, See&& see) const {
    for (std::size_t i = 0; i < changes_.size() && changes_[i].at <= to; ++i) {
      if (i + 1 == changes_.size() || changes_[i + 1].at >= from) see(changes_[i].value);
    }
  }

 private:
  struct Change {
    Instant at;
    Value value;
  };
  struct Fence {
    Instant submitted;
    Instant done;
    bool drained;
  };
  std::vector<Change> changes_;
  std::vector<Fence> fences_;
};

}  // namespace viosim::test
