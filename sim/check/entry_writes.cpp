// Fields, then P; and not while it is present.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/entry_writes.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

void EntryWrites::observe(const TraceEvent& event) {
  if (static_cast<EventKind>(event.kind) == EventKind::viommu) return forget(event);
  if (static_cast<EventKind>(event.kind) != EventKind::table_write) return;
  const EntryWritten how = EntryWritten::decode(event.value);
  const Place place{scene_.unit_of(event.component), how.source, event.pasid};
  drivers_[place.unit] = event.component;
  written(event, how, place);
}

void EntryWrites::complain(const TraceEvent& event, const Entry& entry, const char* what) {
  std::vector<Link> evidence;
  if (entry.last.position != 0) evidence.push_back(entry.last);
  scene_.violate(Invariant::whole_entry, event,
                 fmt::format("the entry of PASID {} of function {} {}", event.pasid,
                             requester(EntryWritten::decode(event.value).source), what),
                 std::move(evidence));
}

void EntryWrites::written(const TraceEvent& event, const EntryWritten& how, const Place& place) {
  Entry& entry = entries_[place];
  switch (event.code) {
    case trace_code::entry_fields:
      if (entry.state == State::present) complain(event, entry, "is written while it is present");
      if (entry.state == State::not_written) entry.state = State::fields_written;
      tells_fields_[place.unit] = 1;
      break;
    case trace_code::entry_set:
      if (entry.state == State::present) complain(event, entry, "is made present, and is");
      if (entry.state == State::not_written && tells_fields(place.unit))
        complain(event, entry, "is made present before it is written");
      entry = {State::present, {}, event.address, how.domain, how.type};
      break;
    case trace_code::entry_changed:
      changed(event, how, entry);
      break;
    case trace_code::entry_replaced:
      entry.table = 0;  // of the next one, which is not told
      break;
    case trace_code::entry_cleared:
      entry.state = State::not_written;
      break;
    case trace_code::entry_zeroed:
      if (entry.state == State::present) complain(event, entry, "is zeroed while it is present");
      entries_.erase(place);
      return;
    default:
      return;
  }
  entry.last = scene_.link(event);
}

// How requests are made may be changed in place, where they lead may not.
void EntryWrites::changed(const TraceEvent& event, const EntryWritten& how, Entry& entry) {
  if (entry.state != State::present) {
    if (tells_fields(scene_.unit_of(event.component)))
      complain(event, entry, "is changed in place, and is not present");
    return;
  }
  const bool same = entry.table == 0 || (entry.table == event.address &&
                                         entry.domain == how.domain && entry.type == how.type);
  if (!same) complain(event, entry, "leads elsewhere, and was not taken away before");
  entry.table = event.address;
  entry.domain = how.domain;
  entry.type = how.type;
}

// One that is plugged in again has tables of its own. Those of one that has vanished are written until its kernel
// learns of it.
void EntryWrites::forget(const TraceEvent& event) {
  if (event.code != trace_code::viommu_there) return;
  const std::string its = scene_.path(event.component) + '.';
  entries_.erase_if([&](const Place& place, const Entry&) {
    return scene_.path(drivers_[place.unit]).starts_with(its);
  });
}

}  // namespace viosim::check
