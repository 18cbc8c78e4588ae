// How a function's queues and PASIDs come to their stop.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/function_driver.hpp"

#include <utility>

namespace viosim {

void FunctionDriver::stop(Thread& thread, std::uint32_t number) {
  Queue& queue = queues_[number];
  if (!queue.enabled) return;
  if (function_.shared != nullptr) {
    stop_shared(thread, queue);
    return;
  }
  send(thread, What::stop, number);
  wait_until_stopped(thread, queue);
  end(queue, End::failed);
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
  thread.sleep(function_.link);  // behind what was sent before
  if (!function_.device->present()) return;
  if (function_.shared != nullptr) {
    function_.shared->stop_pasid(wire, params_.stop_marker);
  } else {
    function_.device->stop_pasid(wire, params_.stop_marker);
  }
  if (!sends_with(wire)) return;
  while (sends_with(wire)) {
    ++stopping_pasids_;
    thread.wait(pasid_stopped_);
    --stopping_pasids_;
  }
  thread.run(function_.link);
}

void FunctionDriver::mm_exit(Thread& thread, Bdf /*source*/, Pasid pasid) {
  ++stats.exits;
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (queues_[number].taken && queues_[number].pasid == pasid) stop(thread, number);
  }
}

}  // namespace viosim
