// Tables, their guests, and entries that use them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/second_levels.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace viosim::check {

void SecondLevels::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::second_stage:
      owners_[{scene_.host_of_files(event.component), event.address}] = scene_.link(event);
      return;
    case EventKind::nested:
      roots_[{scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value),
              event.pasid}] = scene_.link(event);
      return;
    case EventKind::bind:
      return event.code == trace_code::for_guest ? bound(event) : void();
    default:
      return;
  }
}

void SecondLevels::bound(const TraceEvent& event) {
  const std::uint32_t guest = scene_.machine_of(event.component);
  const std::uint32_t host = scene_.host_of_files(event.component);
  const auto source = static_cast<std::uint16_t>(event.value);
  const Link* const root = roots_.find({host, source, event.pasid});
  if (root == nullptr) return;  // it is not nested
  const std::uint64_t table = root->event.address;
  const auto owner = owners_.find({host, table});
  std::vector<Link> evidence;
  if (owner != owners_.end()) {
    if (scene_.machine_of(owner->second.event.component) == guest) return;
    evidence.push_back(owner->second);
  }
  evidence.push_back(*root);
  scene_.violate(Invariant::own_second_stage, event,
                 fmt::format("PASID {} of function {} is bound over the table at {:#x}, which "
                             "is {}",
                             event.pasid, requester(source), table,
                             owner == owners_.end() ? "nobody's" : "another guest's"),
                 std::move(evidence));
}

}  // namespace viosim::check
