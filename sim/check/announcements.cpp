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
      tell_[machine] = 1;
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
      return under_way_.each([&](std::uint32_t component, std::vector<Link>& queue) {
        if (!queue.empty() && scene_.unit_of(component) == scene_.unit_of(event.component))
          queue.clear();
      });
    default:
      return;
  }
}

void Announcements::done(const TraceEvent& event, std::uint32_t machine) {
  std::vector<Link>& queue = under_way_[event.component];
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
  unannounced_.erase_if([&](const EntryPlace& entry, const Unannounced& set) {
    const bool of_domain = order.domain.value() == set.domain;
    const bool of_pasid = order.pasid.value() == entry.pasid;
    return entry.unit == machine &&
           (order.granularity == vtd::Granularity::global ||
            (of_domain && (order.granularity == vtd::Granularity::domain || of_pasid)));
  });
}

void Announcements::written(const TraceEvent& event, std::uint32_t machine) {
  const EntryWritten how = EntryWritten::decode(event.value);
  const EntryPlace entry{machine, how.source, event.pasid};
  if (how.caching && event.code == trace_code::entry_set)
    unannounced_[entry] = {how.domain, scene_.link(event)};
  else
    unannounced_.erase(entry);
}

void Announcements::bound(const TraceEvent& event, std::uint32_t machine) {
  const EntryPlace entry{machine, static_cast<std::uint16_t>(event.value), event.pasid};
  const Unannounced* const found = unannounced_.find(entry);
  if (found == nullptr || tell_[machine] == 0) return;
  scene_.violate(Invariant::announced, event,
                 fmt::format("PASID {} of function {} is bound, and its vIOMMU was not told of "
                             "the entry",
                             event.pasid, requester(entry.source)),
                 {found->set});
}

}  // namespace viosim::check
