// Domains of first-level and pass-through entries against those of second-level and nested ones.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/domains.hpp"

#include "models/iommu/vtd/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace viosim::check {
namespace {

bool through_second_level(std::uint8_t type) {
  using Type = vtd::PasidEntry::Type;
  return type == static_cast<std::uint8_t>(Type::second_level) ||
         type == static_cast<std::uint8_t>(Type::nested);
}

}  // namespace

bool Domains::Use::second() const { return through_second_level(type); }

void Domains::observe(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::invalidate) return left_.empty() ? void() : flushed(event);
  if (kind == EventKind::viommu) return forget(event);
  if (kind != EventKind::table_write) return;
  const EntryWritten how = EntryWritten::decode(event.value);
  const Place place{scene_.unit_of(event.component), how.source, event.pasid};
  drivers_[place.unit] = event.component;
  if (event.code == trace_code::entry_cleared) return leave(event, place);
  if (event.code == trace_code::entry_set) return set(event, how, place);
  // Told with the old domain: by which one the new is tagged nobody knows.
  Use* const found = present_.find(place);
  if (event.code == trace_code::entry_replaced && found != nullptr) untag(place, *found);
}

void Domains::set(const TraceEvent& event, const EntryWritten& how, const Place& place) {
  leave(event, place);
  const Use use{{place.unit, how.domain}, how.type, event.address, scene_.link(event)};
  std::array<std::uint32_t, 2>& users = users_[use.domain];
  if (users[use.second() ? 0 : 1] != 0) {
    const auto others = present_.keys_if([&](const Place&, const Use& one) {
      return one.domain == use.domain && one.second() != use.second();
    });
    scene_.violate(Invariant::domain_kinds, event,
                   fmt::format("domain {} is of a {} entry of PASID {}, and of {} ones", how.domain,
                               use.second() ? "second-level" : "first-level", event.pasid,
                               use.second() ? "first-level" : "second-level"),
                   {present_.find(others.front())->set});
  }
  const auto left = left_.find(use.domain);
  if (left != left_.end() && users[0] + users[1] == 0) {
    // Of the same PASID it is a matter of the entry, or of the number.
    if (!left->second.pasids.contains(event.pasid)) {
      scene_.violate(Invariant::domain_kinds, event,
                     fmt::format("domain {} is given to the entry of PASID {}, and what was cached "
                                 "for the last that had it is not flushed",
                                 how.domain, event.pasid),
                     {left->second.cleared});
    }
    left_.erase(left);
  }
  ++users[use.second() ? 1 : 0];
  tag(event, use);
  present_[place] = use;
}

// A cache answers a request of the one with what was found for the other. A number that was an orphan's may be of
// one or of the other.
void Domains::tag(const TraceEvent& event, const Use& use) {
  Tagged& tagged = tagged_[{use.domain.unit, use.domain.source, event.pasid}];
  const Use& other = tagged.use;
  const bool differs = other.type != use.type || other.table != use.table;
  if (tagged.entries++ > 0 && differs && !scene_.shared_with_orphans(scene_.number_of(event))) {
    scene_.violate(Invariant::domain_kinds, event,
                   fmt::format("PASID {} of domain {} leads to the table at {:#x} in the entry of "
                               "one function, and to {:#x} in that of another",
                               event.pasid, use.domain.source, other.table, use.table),
                   {other.set});
  }
  tagged.use = use;
}

void Domains::untag(const Place& place, Use& use) {
  if (!std::exchange(use.tagged, false)) return;
  const EntryPlace tag{use.domain.unit, use.domain.source, place.pasid};
  if (--tagged_.find(tag)->entries == 0) tagged_.erase(tag);
}

void Domains::leave(const TraceEvent& event, const Place& place) {
  Use* const found = present_.find(place);
  if (found == nullptr) return;
  untag(place, *found);
  const Use& use = *found;
  std::array<std::uint32_t, 2>& users = users_[use.domain];
  --users[use.second() ? 1 : 0];
  const bool watched = use.second() && !EntryWritten::decode(event.value).caching;
  if (watched) {
    Left& left = left_[use.domain];
    left.pasids.insert(place.pasid);
    left.cleared = scene_.link(event);
  }
  present_.erase(place);
}

void Domains::flushed(const TraceEvent& event) {
  if (!vtd::Descriptor::decodable(event.value)) return;
  const auto order = vtd::Descriptor::decode(event.value, event.address);
  using By = vtd::Granularity;
  const bool of_iotlb = order.type == vtd::DescriptorType::iotlb;
  const bool of_pasid =
      order.type == vtd::DescriptorType::pasid_iotlb && order.granularity == By::pasid;
  if (!of_iotlb && !of_pasid) return;
  const std::uint32_t unit = scene_.unit_of(event.component);
  for (auto at = left_.lower_bound({unit, 0}); at != left_.end() && at->first.unit == unit;) {
    Left& left = at->second;
    const bool its = at->first.source == order.domain.value();
    bool whole =
        of_iotlb && (order.granularity == By::global || (its && order.granularity == By::domain));
    if (of_pasid && its) {
      left.pasids.erase(order.pasid.value());
      whole = left.pasids.empty();
    }
    at = whole ? left_.erase(at) : std::next(at);
  }
}

// The tables of a vIOMMU that is gone are nobody's, and one that comes has others.
void Domains::forget(const TraceEvent& event) {
  if (event.code == trace_code::viommu_leaves) return;
  const std::string within = scene_.path(event.component) + '.';
  const auto its = [&](const auto& key, const auto&) {
    return scene_.path(drivers_[key.unit]).starts_with(within);
  };
  present_.erase_if(its);
  users_.erase_if(its);
  tagged_.erase_if(its);
  std::erase_if(left_, [&](const auto& one) { return its(one.first, one.second); });
}

}  // namespace viosim::check
