// Domains of first-level and pass-through entries against those of second-level and nested ones.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/domains.hpp"

#include "models/iommu/vtd/tables.hpp"

#include <fmt/format.h>

namespace viosim::check {
namespace {

bool through_second_level(std::uint8_t type) {
  using Type = vtd::PasidEntry::Type;
  return type == static_cast<std::uint8_t>(Type::second_level) ||
         type == static_cast<std::uint8_t>(Type::nested);
}

}  // namespace

void Domains::observe(const TraceEvent& event) {
  if (static_cast<EventKind>(event.kind) != EventKind::table_write) return;
  const EntryWritten how = EntryWritten::decode(event.value);
  const std::uint32_t unit = scene_.unit_of(event.component);
  const Place place{unit, how.source, event.pasid};
  if (event.code == trace_code::entry_cleared) leave(place);
  if (event.code != trace_code::entry_set) return;
  leave(place);
  const Use use{{unit, how.domain}, through_second_level(how.type)};
  std::array<std::uint32_t, 2>& users = users_[use.domain];
  if (users[use.second ? 0 : 1] != 0) {
    scene_.violate(Invariant::domain_kinds, event,
                   fmt::format("domain {} is of a {} entry of PASID {}, and of {} ones", how.domain,
                               use.second ? "second-level" : "first-level", event.pasid,
                               use.second ? "first-level" : "second-level"));
  }
  ++users[use.second ? 1 : 0];
  present_[place] = use;
}

void Domains::leave(const Place& place) {
  const auto found = present_.find(place);
  if (found == present_.end()) return;
  --users_[found->second.domain][found->second.second ? 1 : 0];
  present_.erase(found);
}

}  // namespace viosim::check
