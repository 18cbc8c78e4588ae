// Taking turns.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/locks.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace viosim {

// Also by who will never have it: of two that wait for each other none would be told otherwise.
void Lock::tell_order(Thread& thread) {
  if (!trace.on()) return;
  for (const Lock* const other : thread.locks()) {
    if (!other->trace.on() || !wanted_under_.insert(other).second) continue;
    trace.emit(
        {.kind = EventKind::lock_order, .time = engine_.now(), .value = other->trace.component()});
  }
}

bool Lock::try_take(Thread& thread) {
  ensure(holder_ != &thread, "a thread takes a lock that it holds");
  if (held()) return false;
  taken_by(thread);
  ++stats.taken;
  return true;
}

void Lock::taken_after(Thread& thread, Instant since) {
  --waiting_;
  taken_by(thread);
  const Ps waited = taken_at_ - since;
  ++stats.taken;
  ++stats.contended;
  stats.waited += waited;
  stats.longest_wait = std::max(stats.longest_wait, waited);
  if (trace.on()) trace.emit({.kind = EventKind::lock_wait, .time = taken_at_, .duration = waited});
}

void Lock::taken_by(Thread& thread) {
  holder_ = &thread;
  taken_at_ = engine_.now();
  thread.locks().push_back(this);
}

// The next in line counts as waiting until it goes on, so nobody can come between.
void Lock::release(Thread& thread) {
  ensure(holder_ == &thread, "a thread releases a lock that it does not hold");
  std::erase(thread.locks(), this);
  holder_ = nullptr;
  stats.held += engine_.now() - taken_at_;
  if (waiting_ > 0) turn_.raise();
}

void SpinLock::lock(Thread& thread) {
  tell_order(thread);
  if (!try_take(thread)) {
    const Instant since = engine_.now();
    begin_wait();
    turn_.wait();
    const bool halted = params_.halts && engine_.now() - since > params_.halts_after;
    const Ps handover =
        (halted ? params_.kick : params_.handover) + params_.per_waiter * (waiting() - 1);
    if (handover > Ps(0)) engine_.sleep_for(handover);
    thread.pass_gate();
    taken_after(thread, since);
    stats.halted += halted ? 1 : 0;
    thread.spun(halted ? params_.halts_after : engine_.now() - since);
  }
  thread.enter_atomic();
}

void SpinLock::unlock(Thread& thread) {
  thread.leave_atomic();
  release(thread);
}

void Mutex::lock(Thread& thread) {
  tell_order(thread);
  if (try_take(thread)) return;
  const Instant since = engine_.now();
  begin_wait();
  try {
    thread.wait(turn_);
    thread.run(wake_);
  } catch (const ThreadGone&) {  // so are all others who could want it
    give_up_wait();
    throw;
  }
  taken_after(thread, since);
}

void Mutex::unlock(Thread& thread) { release(thread); }

}  // namespace viosim
