// Waiting for what is due.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/hotplug_slot.hpp"

#include "models/event_order.hpp"

#include <utility>

namespace viosim {

// The end of a wait that was given up keeps no run going.
void HotplugSlot::set(Due what) {
  if (std::exchange(then_, nullptr)) {
    engine_.agenda().set_aside();
    tell(trace_code::wait_given_up);
  }
  due_ = what;
}

void HotplugSlot::tell(std::uint16_t what) const {
  if (!trace_.on()) return;
  trace_.emit({.kind = due_ == Due::probe ? EventKind::probe_wait : EventKind::removal_wait,
               .time = engine_.now(),
               .code = what,
               .duration = engine_.now() - since_});
}

void HotplugSlot::after(Ps delay, std::function<void()> then) {
  ensure(due_ != Due::nothing && !then_, "a slot waits for nothing, or for two things");
  if (delay == Ps(0)) return then();
  then_ = std::move(then);
  since_ = engine_.now();
  tell(trace_code::wait_begun);
  engine_.agenda().schedule(engine_.now() + delay, rank(EventClass::timer, number_), *this,
                            ++wait_);
}

bool HotplugSlot::take(Due what) {
  if (due_ != what) return false;
  set(Due::nothing);
  return true;
}

void HotplugSlot::fire(std::uint64_t wait) {
  if (wait != wait_ || !then_) return engine_.agenda().take_back();
  tell(trace_code::wait_over);
  std::exchange(then_, nullptr)();
}

}  // namespace viosim
