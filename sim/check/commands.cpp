// One after the other.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/commands.hpp"

#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace viosim::check {

void Commands::observe(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::viommu) return presence(event);
  if (kind != EventKind::command && kind != EventKind::command_done) return;
  const auto open = outstanding_.find(event.component);
  const bool is_open = open != outstanding_.end();
  if (kind == EventKind::command) {
    if (is_open) {
      scene_.violate(Invariant::one_command, event,
                     fmt::format("command {} is taken while command {} is outstanding", event.value,
                                 open->second.event.value),
                     {open->second});
    }
    outstanding_[event.component] = scene_.link(event);
    return;
  }
  if (!is_open || open->second.event.value != event.value) {
    std::vector<Link> evidence;
    if (is_open) evidence.push_back(open->second);
    scene_.violate(Invariant::one_command, event,
                   fmt::format("command {} is answered, and is not outstanding", event.value),
                   std::move(evidence));
  }
  if (is_open) outstanding_.erase(open);
}

void Commands::presence(const TraceEvent& event) {
  const auto open = outstanding_.find(event.component);
  if (event.code != trace_code::viommu_gone || open == outstanding_.end()) return;
  scene_.violate(Invariant::idle_eject, event,
                 fmt::format("{} is taken away while command {} is outstanding",
                             scene_.path(event.component), open->second.event.value),
                 {open->second});
}

void TraceOrder::violated(const TraceEvent& event) {
  scene_.step();
  scene_.violate(Invariant::trace_order, event,
                 fmt::format("an event of {} is written after one of {}",
                             format_time(Ps(event.time), 12), format_time(Ps(last_), 12)));
  last_ = std::max(last_, event.time);
}

}  // namespace viosim::check
