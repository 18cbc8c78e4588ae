// A function whose kernel is paused, and what it then goes on with, there or at another one of its kind.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/function_driver.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

// A queue that is enabled and has nothing to do is disabled: whoever gives it work enables it again.
void FunctionDriver::halt() {
  halted_ = true;
  AtsDevice& device = *function_.device;
  if (!device.present()) return;
  if (function_.shared != nullptr) return function_.shared->halt();
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (slice_.queue_state(number) != QueueState::running) continue;
    const bool at_work = device.at_work(slice_.number_of(number));
    queues_[number].halting = true;
    slice_.stop_queue(number, false);
    if (!at_work) queues_[number].halted.reset();
  }
}

bool FunctionDriver::halted() const {
  const AtsDevice& device = *function_.device;
  return !device.present() || device.requests_in_flight() == 0;
}

std::size_t FunctionDriver::halted_work() const {
  return static_cast<std::size_t>(std::count_if(
      queues_.begin(), queues_.end(), [](const Queue& queue) { return queue.halted.has_value(); }));
}

void FunctionDriver::descriptor_halted(std::uint64_t number, QueueRest rest) {
  is_halted(static_cast<std::uint32_t>(number), rest);
}

// What comes to rest only after the kernel has gone on goes on at once.
void FunctionDriver::is_halted(std::uint32_t number, QueueRest rest) {
  queues_[number].halted = rest;
  if (!halted_) go_on(number);
}

void FunctionDriver::go_on() {
  halted_ = false;
  for (std::uint32_t number = 0; number < queues_.size(); ++number) go_on(number);
}

void FunctionDriver::go_on(std::uint32_t number) {
  Queue& queue = queues_[number];
  const auto rest = std::exchange(queue.halted, std::nullopt);
  if (!queue.done || !function_.device->present()) return;
  const Result<Pasid> wire = function_.access->on_wire(queue.pasid);
  if (wire.ok()) use_pasid(queue, wire.value());
  if (!rest) return;
  queue.failed += rest->failed;
  if (rest->requests > 0 && wire.ok()) return restart(number, *rest);
  if (function_.shared != nullptr) has_stopped(queue);
  end(queue, rest->requests == 0 && queue.failed == 0 ? End::completed : End::failed);
}

// Its traffic begins anew: which addresses were left is not known.
void FunctionDriver::restart(std::uint32_t number, const QueueRest& rest) {
  QueueWork& work = queues_[number].work;
  work.dma.requests = rest.requests;
  if (function_.shared != nullptr) {
    function_.shared->put_back(descriptor_of(number));
  } else {
    slice_.enable(number, work);
  }
}

void FunctionDriver::move_to(const Place& place) {
  ensure(place.device->queues() == function_.device->queues() &&
             (place.shared != nullptr) == (function_.shared != nullptr),
         "a function was replaced by one of another kind");
  function_.device->listen_no_more(*this);
  function_.device = place.device;
  function_.shared = place.shared;
  function_.link = place.link;
  function_.capabilities.config = place.config;
  function_.device->listen_to_pasids(*this);
  slice_ = slice_of(function_);
  for (Queue& queue : queues_) queue.halting = false;  // of what vanished
  ++moves_;
}

}  // namespace viosim
