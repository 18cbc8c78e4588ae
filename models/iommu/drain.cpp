// Drains that come to their end, in the order in which they began.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/drain.hpp"

#include "models/event_order.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

void DmaDrains::add(Drain drain) {
  const Drain& added = drains_.emplace_back(std::move(drain));
  if (added.slots.empty())
    agenda_.schedule(added.until, rank(EventClass::invalidation, number_), *this, 0);
}

void DmaDrains::ended(std::uint32_t slot, Instant until) {
  const Instant now = agenda_.now();
  for (Drain& drain : drains_) {
    if (std::erase(drain.slots, slot) == 0) continue;
    drain.until = std::max(drain.until, until);
    if (drain.slots.empty() && drain.until > now)
      agenda_.schedule(drain.until, rank(EventClass::invalidation, number_), *this, 0);
  }
  look_at_all();
}

void DmaDrains::fire(std::uint64_t /*what*/) { look_at_all(); }

void DmaDrains::look_at_all() {
  const auto over = [now = agenda_.now()](const Drain& drain) {
    return drain.slots.empty() && drain.until <= now;
  };
  for (const Drain& drain : drains_) {
    if (over(drain)) drain.client->drained(drain.cookie);
  }
  std::erase_if(drains_, over);
}

}  // namespace viosim
