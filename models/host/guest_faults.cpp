// The list of groups that wait for their guest.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_faults.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

// Only the last request of a group is answered.
bool GuestFaults::forward(const ForwardedFault& fault, Instant deadline) {
  incomplete_.push_back(fault);
  if (!fault.request.last) return false;
  std::erase_if(incomplete_, [&](const ForwardedFault& one) {
    const bool of_group = one.device == fault.device && one.request.group == fault.request.group &&
                          one.request.pasid == fault.request.pasid;
    if (of_group) region_.push_back(one);
    stats.forwarded += of_group ? 1 : 0;
    return of_group;
  });
  pending_.push_back({fault.device, fault.request.pasid, fault.request, deadline});
  return true;
}

void GuestFaults::discard_group(std::size_t device, std::uint16_t group) {
  std::erase_if(incomplete_, [=](const ForwardedFault& one) {
    return one.device == device && one.request.group == group;
  });
}

std::vector<ForwardedFault> GuestFaults::take() { return std::exchange(region_, {}); }

std::optional<Instant> GuestFaults::next_deadline() const {
  if (pending_.empty()) return {};
  return pending_.front().deadline;
}

std::optional<PageRequest> GuestFaults::match(std::size_t device, Pasid pasid,
                                              std::uint16_t group) {
  const auto found = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& one) {
    return one.device == device && one.pasid == pasid && one.request.group == group;
  });
  if (found == pending_.end()) {
    ++stats.unmatched;
    return {};
  }
  const PageRequest request = found->request;
  pending_.erase(found);
  ++stats.answered;
  return request;
}

template <class Which>
std::vector<GuestFaults::Pending> GuestFaults::take_if(Which which) {
  std::vector<Pending> taken;
  std::erase_if(pending_, [&](const Pending& one) {
    if (!which(one)) return false;
    taken.push_back(one);
    return true;
  });
  return taken;
}

std::optional<GuestFaults::Pending> GuestFaults::take_expired(Instant now) {
  if (pending_.empty() || pending_.front().deadline > now) return {};
  const Pending late = pending_.front();
  pending_.erase(pending_.begin());
  ++stats.timed_out;
  return late;
}

std::vector<GuestFaults::Pending> GuestFaults::take_of(std::size_t device, Pasid pasid) {
  const auto of = [&](std::size_t whose, Pasid which) { return whose == device && which == pasid; };
  for (auto* const waiting : {&region_, &incomplete_}) {
    std::erase_if(*waiting,
                  [&](const ForwardedFault& one) { return of(one.device, one.request.pasid); });
  }
  auto taken = take_if([&](const Pending& one) { return of(one.device, one.pasid); });
  stats.answered_for_guest += taken.size();
  return taken;
}

std::vector<GuestFaults::Pending> GuestFaults::take_all() {
  region_.clear();
  incomplete_.clear();
  auto taken = take_if([](const Pending&) { return true; });
  stats.answered_for_guest += taken.size();
  return taken;
}

}  // namespace viosim
