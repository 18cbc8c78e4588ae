// Fields, then P; and not while it is present.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/entry_writes.hpp"

#include <fmt/format.h>

#include <string>

namespace viosim::check {

void EntryWrites::observe(const TraceEvent& event) {
  if (static_cast<EventKind>(event.kind) == EventKind::viommu) return forget(event);
  if (static_cast<EventKind>(event.kind) != EventKind::table_write) return;
  const std::uint16_t source = EntryWritten::decode(event.value).source;
  const Place place{scene_.unit_of(event.component), source, event.pasid};
  const auto complain = [&](const char* what) {
    scene_.violate(
        Invariant::whole_entry, event,
        fmt::format("the entry of PASID {} of function {:04x} {}", event.pasid, source, what));
  };
  drivers_[std::get<0>(place)] = event.component;
  State& state = entries_[place];
  switch (event.code) {
    case trace_code::entry_fields:
      if (state == State::present) complain("is written while it is present");
      if (state == State::not_written) state = State::fields_written;
      tells_fields_.insert(std::get<0>(place));
      return;
    case trace_code::entry_set:
      if (state == State::present) complain("is made present, and is");
      if (state == State::not_written && tells_fields_.contains(std::get<0>(place)))
        complain("is made present before it is written");
      state = State::present;
      return;
    case trace_code::entry_cleared:
      state = State::not_written;
      return;
    case trace_code::entry_zeroed:
      if (state == State::present) complain("is zeroed while it is present");
      entries_.erase(place);
      return;
    default:
      return;
  }
}

// One that is plugged in again has tables of its own.
void EntryWrites::forget(const TraceEvent& event) {
  const std::string its = scene_.path(event.component) + '.';
  std::erase_if(entries_, [&](const auto& one) {
    return scene_.path(drivers_.at(std::get<0>(one.first))).starts_with(its);
  });
}

}  // namespace viosim::check
