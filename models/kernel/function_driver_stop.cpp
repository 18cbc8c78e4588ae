// How a function's queues and PASIDs come to their stop.
// SPDX-License-Identifier: Apache-2.0
#include "models/event_order.hpp"
#include "models/kernel/function_driver.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

void FunctionDriver::stop(Thread& thread, std::uint32_t number) {
  Queue& queue = queues_[number];
  if (!queue.enabled) return;
  if (function_.shared != nullptr) {
    stop_shared(thread, queue);
    return;
  }
  thread.run(params_.register_write);
  send(What::stop, number);
  wait_until_stopped(thread, queue);
  end(queue, End::failed);
}

// Nobody sends descriptors any more. Those on their way would come behind the stop of their PASID.
void FunctionDriver::wait_for_arrivals(Thread& thread) {
  const bool sent = std::any_of(queues_.begin(), queues_.end(),
                                [](const Queue& queue) { return queue.taken && queue.enabled; });
  if (function_.shared != nullptr && sent) arrivals_.wait(thread, function_.link);
}

void FunctionDriver::stop_shared(Thread& thread, const Queue& of) {
  thread.run(params_.register_write);
  const Pasid wire = of.work.pasid;
  function_.shared->stop_pasid(wire, params_.stop_marker);
  for (const Queue& queue : queues_) {
    if (queue.work.pasid == wire) wait_until_stopped(thread, queue);
  }
}

// It is seen by a read, when the answer is back.
void FunctionDriver::wait_until_stopped(Thread& thread, const Queue& queue) {
  if (!queue.enabled) return;
  while (queue.enabled) {
    ++stopping_;
    thread.wait(stopped_);
    --stopping_;
  }
  thread.run(function_.link);
}

void FunctionDriver::has_stopped(Queue& queue) {
  if (!std::exchange(queue.enabled, false)) return;
  for (std::uint32_t thread = 0; thread < stopping_; ++thread) stopped_.raise();
}

void FunctionDriver::queue_stopped(Bdf /*source*/, std::uint32_t of_function) {
  Queue& queue = queues_[slice_.own_number_of(of_function)];
  if (!std::exchange(queue.halting, false)) return has_stopped(queue);
  is_halted(slice_.own_number_of(of_function), function_.device->rest(of_function));
}

// Work of a queue that another kernel has stopped is over, and nobody here waits for the stop. Shared queues
// end theirs one by one.
void FunctionDriver::pasid_stopped(Bdf /*source*/, Pasid pasid) {
  for (Queue& queue : queues_) {
    if (queue.work.pasid != pasid) continue;
    has_stopped(queue);
    if (function_.shared == nullptr) end(queue, End::failed);
  }
  for (std::uint32_t thread = 0; thread < stopping_pasids_; ++thread) pasid_stopped_.raise();
}

bool FunctionDriver::sends_with(Pasid wire) const {
  return function_.device->present() && function_.device->pasid_in_use(wire);
}

void FunctionDriver::stop_of_slice(Thread& thread, Pasid wire) {
  if (!function_.device->present()) return;
  thread.run(params_.register_write);
  arrivals_.wait(thread, function_.link);  // of what was sent before
  if (!function_.device->present()) return;
  if (function_.shared != nullptr) {
    function_.shared->stop_pasid(wire, params_.stop_marker);
  } else {
    function_.device->stop_pasid(wire, params_.stop_marker);
  }
  if (!sends_with(wire)) return;
  const auto stop = stops_.insert(stops_.end(), {wire, kernel_.engine().now()});
  watch_stops();
  while (sends_with(wire)) {
    ++stopping_pasids_;
    thread.wait(pasid_stopped_);
    --stopping_pasids_;
  }
  stops_.erase(stop);
  thread.run(function_.link);
}

// Looks at doubled distances, so that a run does not last until a limit that is not needed any more.
void FunctionDriver::watch_stops() {
  if (stops_are_watched_) return;
  const Instant now = kernel_.engine().now();
  std::optional<Instant> next;
  for (const StopOfSlice& stop : stops_) {
    if (stop.aborted) continue;
    const Instant look =
        std::min(stop.since + params_.slice_stop_limit, now + std::max<Ps>(now - stop.since, 1us));
    next = next ? std::min(*next, look) : look;
  }
  if (!next) return;
  stops_are_watched_ = true;
  kernel_.engine().agenda().schedule(*next, rank(EventClass::timer, function_.number), *this,
                                     stops_watched);
}

// Whoever was to answer, for a guest or instead of it, does not any more.
void FunctionDriver::abort_late_stops() {
  stops_are_watched_ = false;
  const Instant now = kernel_.engine().now();
  for (StopOfSlice& stop : stops_) {
    if (stop.aborted || now < stop.since + params_.slice_stop_limit) continue;
    stop.aborted = true;
    if (function_.device->present()) function_.device->abort_pasid(stop.wire);
  }
  watch_stops();
}

void FunctionDriver::mm_exit(Thread& thread, Bdf /*source*/, Pasid pasid) {
  ++stats.exits;
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (queues_[number].taken && queues_[number].pasid == pasid) stop(thread, number);
  }
}

}  // namespace viosim
