// Since when an entry is quiet, and what is told or let pass afterwards.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/quiet_entries.hpp"

#include <fmt/format.h>

namespace viosim::check {

void QuietEntries::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::table_write:
      return written(event);
    case EventKind::fault:
      return reported(event);
    case EventKind::translate:
      return used(event);
    case EventKind::plug:
      requesters_[event.component] = static_cast<std::uint16_t>(event.value);
      return;
    default:
      return;
  }
}

void QuietEntries::written(const TraceEvent& event) {
  const EntryWritten how = EntryWritten::decode(event.value);
  const Place place{scene_.machine_of(event.component), how.source, event.pasid};
  if (event.code == trace_code::entry_zeroed && how.quiet)
    quiet_[place] = scene_.link(event);
  else if (event.code != trace_code::entry_cleared)
    quiet_.erase(place);
}

const Link* QuietEntries::quiet_since(const Place& place, const TraceEvent& request) const {
  const Link* const found = quiet_.find(place);
  const bool later = found != nullptr && found->event.time < request.time - request.duration;
  return later ? found : nullptr;
}

void QuietEntries::reported(const TraceEvent& fault) {
  const auto source = static_cast<std::uint16_t>(fault.value);
  const Link* const quiet =
      quiet_since({scene_.machine_of(fault.component), source, fault.pasid}, fault);
  if (quiet == nullptr) return;
  scene_.violate(Invariant::quiet_fault, fault,
                 fmt::format("a fault of PASID {} of function {} is reported, and its entry "
                             "has FPD set",
                             fault.pasid, requester(source)),
                 {*quiet});
}

void QuietEntries::used(const TraceEvent& request) {
  if (quiet_.empty() || request.code > outcome_miss || request.pasid == 0) return;
  const std::uint16_t* const requester = requesters_.find(request.component);
  if (requester == nullptr) return;
  const Link* const quiet =
      quiet_since({scene_.machine_of(request.component), *requester, request.pasid}, request);
  if (quiet == nullptr) return;
  scene_.violate(request,
                 {.invariant = Invariant::quiet_fault,
                  .number = scene_.number_of(request),
                  .epoch = quiet->event.epoch,
                  .message = fmt::format("address {:#x} is translated with PASID {}, whose "
                                         "entry is quiet, and not present",
                                         request.address, request.pasid),
                  .evidence = {*quiet}});
}

}  // namespace viosim::check
