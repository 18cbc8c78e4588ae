// Delivery, cookies, and the limit of time.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/fault_queue.hpp"

#include "models/event_order.hpp"

#include <algorithm>
#include <utility>

namespace viosim::iommufd {

void FaultQueue::deliver(FaultGroup group) {
  group.deadline = engine_.now() + limit_;
  groups_.push_back(std::move(group));
  ++stats.delivered;
  watch();
  if (std::exchange(told_, true) || listener_ == nullptr) return;
  listener_->faults_forwarded();
}

// Numbers run on. Linux takes the lowest free one, so that an answer that comes after its group is
// gone may be taken for another group's.
FaultQueue::Groups FaultQueue::read() {
  told_ = false;
  Groups fresh;
  for (FaultGroup& group : groups_) {
    if (group.cookie != 0) continue;
    group.cookie = ++last_cookie_;
    fresh.push_back(group);
  }
  return fresh;
}

template <class Which>
FaultQueue::Groups FaultQueue::take_if(Which which) {
  Groups taken;
  std::erase_if(groups_, [&](const FaultGroup& one) {
    if (!which(one)) return false;
    taken.push_back(one);
    return true;
  });
  return taken;
}

std::optional<FaultGroup> FaultQueue::match(std::uint32_t cookie) {
  Groups found =
      take_if([cookie](const FaultGroup& one) { return one.cookie == cookie && cookie != 0; });
  ++(found.empty() ? stats.unmatched : stats.answered);
  if (found.empty()) return {};
  return std::move(found.front());
}

FaultQueue::Groups FaultQueue::take_of(std::uint32_t device, Pasid pasid) {
  Groups taken =
      take_if([=](const FaultGroup& one) { return one.device == device && one.pasid == pasid; });
  stats.answered_for_user += taken.size();
  return taken;
}

FaultQueue::Groups FaultQueue::take_all() {
  Groups taken = take_if([](const FaultGroup&) { return true; });
  stats.answered_for_user += taken.size();
  return taken;
}

// Looks in small steps, so that a run does not last until a limit that is long not needed any more.
void FaultQueue::watch() {
  if (watching_ || groups_.empty() || limit_ == Ps(0)) return;
  watching_ = true;
  constexpr std::int64_t steps = 100;
  const Instant next =
      std::min(groups_.front().deadline, engine_.now() + std::max(limit_ / steps, Ps(1)));
  engine_.agenda().schedule(next, rank(EventClass::timer, number_), *this, 0);
}

void FaultQueue::fire(std::uint64_t /*what*/) {
  if (has_expired()) return expired_(*this);
  watching_ = false;
  watch();
}

bool FaultQueue::has_expired() const {
  return !groups_.empty() && groups_.front().deadline <= engine_.now();
}

// One by one: who detaches meanwhile answers those that are left.
void FaultQueue::answer_expired(const std::function<void(const FaultGroup&)>& answer) {
  while (has_expired()) {
    const FaultGroup late = groups_.front();
    groups_.erase(groups_.begin());
    ++stats.timed_out;
    answer(late);
  }
  watching_ = false;
  watch();
}

}  // namespace viosim::iommufd
