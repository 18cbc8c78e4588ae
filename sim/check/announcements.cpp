// In the order of the queue: a wait after all that is ahead of it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/announcements.hpp"

#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/descriptor_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim::check {
namespace {

constexpr auto wait = static_cast<std::uint16_t>(vtd::DescriptorType::wait);
constexpr auto pasid_cache = static_cast<std::uint16_t>(vtd::DescriptorType::pasid_cache);

}  // namespace

void Announcements::observe(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  if (!is_guest(machine)) return;
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::submit:
      tell_.insert(machine);
      under_way_[event.component].push_back(scene_.link(event));
      return;
    case EventKind::invalidate:
      return done(event, machine);
    case EventKind::table_write:
      return written(event, machine);
    case EventKind::bind:
      return event.code == trace_code::for_guest ? void() : bound(event, machine);
    case EventKind::viommu:
      // Of one that is gone nothing is done any more.
      std::erase_if(under_way_, [&](const auto& queue) {
        return scene_.unit_of(queue.first) == scene_.unit_of(event.component);
      });
      return;
    default:
      return;
  }
}

void Announcements::done(const TraceEvent& event, std::uint32_t machine) {
  std::deque<Link>& queue = under_way_[event.component];
  const auto found = std::find_if(queue.begin(), queue.end(), [&](const Link& one) {
    return one.event.value == event.value && one.event.address == event.address;
  });
  if (event.code == wait) {
    const auto ahead =
        std::find_if(queue.begin(), found, [](const Link& one) { return one.event.code != wait; });
    if (found != queue.end() && ahead != found) {
      scene_.violate(Invariant::announced, event,
                     fmt::format("{} says that a wait is over, and {} ahead of it is not done",
                                 scene_.path(event.component),
                                 vtd::text_of(ahead->event.value, ahead->event.address)),
                     {*ahead, *found});
    }
  }
  if (found != queue.end()) queue.erase(found);
  if (event.code != pasid_cache || unannounced_.empty()) return;
  const auto order = vtd::Descriptor::decode(event.value, event.address);
  std::erase_if(unannounced_, [&](const auto& one) {
    const auto& [entry, set] = one;
    const bool of_domain = order.domain.value() == set.domain;
    const bool of_pasid = order.pasid.value() == std::get<2>(entry);
    return std::get<0>(entry) == machine &&
           (order.granularity == vtd::Granularity::global ||
            (of_domain && (order.granularity == vtd::Granularity::domain || of_pasid)));
  });
}

void Announcements::written(const TraceEvent& event, std::uint32_t machine) {
  const EntryWritten how = EntryWritten::decode(event.value);
  const Entry entry{machine, how.source, event.pasid};
  if (how.caching && event.code == trace_code::entry_set)
    unannounced_[entry] = {how.domain, scene_.link(event)};
  else
    unannounced_.erase(entry);
}

void Announcements::bound(const TraceEvent& event, std::uint32_t machine) {
  const Entry entry{machine, static_cast<std::uint16_t>(event.value), event.pasid};
  const auto found = unannounced_.find(entry);
  if (found == unannounced_.end() || !tell_.contains(machine)) return;
  scene_.violate(Invariant::announced, event,
                 fmt::format("PASID {} of function {} is bound, and its vIOMMU was not told of "
                             "the entry",
                             event.pasid, requester(std::get<1>(entry))),
                 {found->second.set});
}

}  // namespace viosim::check
