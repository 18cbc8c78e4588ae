// Which event goes where.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"

#include <cstdint>
#include <optional>

namespace viosim::check {

void Checker::catch_up() {
  constexpr std::size_t ahead = 8;
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    if (i + ahead < shown_.size()) scene_.prefetch(shown_[i + ahead]);
    look_at(shown_[i]);
  }
  shown_.clear();
  may_want_requests_ = needs_requests();
}

void Checker::look_at(const TraceEvent& told) {
  const auto kind = static_cast<EventKind>(told.kind);
  trace_order_.observe(told);
  if (kind == EventKind::lock_wait) return;
  if (kind == EventKind::translate && !needs_requests()) return scene_.step();
  const std::optional<std::uint32_t> space = private_numbers_.space_of(told);
  scene_.step(space);
  if (!space) return check(told);
  TraceEvent own = told;
  own.epoch = private_numbers_.epoch_of(told, *space);
  check(own);
}

void Checker::check(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::translate) {
    stale_use_.observe(event);
    quiet_entries_.observe(event);
    return;
  }
  entry_writes_.observe(event);
  contexts_.observe(event);
  second_levels_.observe(event);
  aborts_.observe(event);
  announcements_.observe(event);
  lock_order_.observe(event);
  // Who allocates has it already when others look; who frees has it still.
  scene_.note(event);
  identities_.observe(event);
  if (kind == EventKind::allocate) scene_.begin(event);
  if (kind == EventKind::bind && event.code == trace_code::for_guest) scene_.bound_for_guest(event);
  bindings_.observe(event);
  teardowns_.observe(event);
  unmaps_.observe(event);
  domains_.observe(event);
  page_groups_.observe(event);
  stale_use_.observe(event);
  commands_.observe(event);
  allocators_.observe(event);
  quotas_.observe(event);
  guest_numbers_.observe(event);
  quiet_entries_.observe(event);
  if (kind == EventKind::free) scene_.end(event);
}

void Checker::finish() {
  catch_up();
  page_groups_.finish();
  guest_numbers_.finish();
  aborts_.finish();
  bindings_.finish();
}

}  // namespace viosim::check
