// Which event goes where.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"

namespace viosim::check {

void Checker::observe(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  switch (kind) {
    case EventKind::translate:
      if (wants_requests()) stale_use_.observe(event);
      return;
    case EventKind::look_up:
    case EventKind::wait:
    case EventKind::walk:
    case EventKind::answer:
    case EventKind::device_look_up:
    case EventKind::translation:
    case EventKind::taken_up:
    case EventKind::page:
    case EventKind::transfer:
    case EventKind::lock_wait:
      return;
    default:
      break;
  }
  // Who allocates has it already when others look; who frees has it still.
  scene_.note(event);
  trace_order_.observe(event);
  identities_.observe(event);
  if (kind == EventKind::allocate) scene_.begin(event);
  teardowns_.observe(event);
  domains_.observe(event);
  page_groups_.observe(event);
  stale_use_.observe(event);
  commands_.observe(event);
  if (kind == EventKind::free) scene_.end(event);
}

}  // namespace viosim::check
