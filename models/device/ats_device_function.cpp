// A function with a translation cache as a whole: stops, resets, unplugging.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/ats_device.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

void AtsDevice::stop(bool marker) {
  if (state_ != State::run) return;
  state_ = State::stopping;
  marker_ = marker;
  if (pages_ != nullptr) {
    const auto all = [](std::uint32_t) { return true; };
    for (const std::uint32_t number : pages_->give_up_unsent(config_.source, all)) fail(number);
  }
  if (state_ == State::stopping && in_flight_ == 0) now_stopped();
}

Workload AtsDevice::workload() const {
  return queue_is_fixed_ ? Workload::of(stats.requests, queues_[0]->left)
                         : Workload{stats.requests, std::nullopt};
}

// Page requests that several functions share misbehave as their owner's.
void AtsDevice::inject_by(Injector& injector) {
  injection_.connect(injector, config_.component);
  if (own_pages_ != nullptr) own_pages_->injection.connect(injector, config_.component);
}

void AtsDevice::now_stopped() {
  state_ = State::stopped;
  goes_on_ = does(Misdeed::use_after_stop);
  if (marker_) {
    // Of every PASID that was in use.
    std::vector<Pasid> pasids;
    for (const auto& queue : queues_) {
      if (queue != nullptr &&
          std::find(pasids.begin(), pasids.end(), queue->port.pasid) == pasids.end())
        pasids.push_back(queue->port.pasid);
    }
    for (const Pasid pasid : pasids) send_marker(pasid);
  }
  if (stop_listener_ != nullptr) stop_listener_->stopped(config_.source);
  consider_issue();  // of a function that misbehaves
}

void AtsDevice::start() {
  ensure(present(), "a function that is not there was started");
  state_ = State::run;
  consider_issue();
}

void AtsDevice::reset() {
  if (!present()) return;
  ++life_;
  ++queue_stats_.resets;
  tell(EventKind::reset);
  stats.dropped += in_flight_;
  queue_stats_.dropped += in_flight_;
  drop_requests();
  tlb_.clear();
  if (own_pages_) {
    own_pages_->reset();
  } else if (pages_ != nullptr) {
    std::vector<PageRequest> sends;  // of others, who get the credits
    pages_->forget(config_.source, sends);
    send(sends);
  }
  unanswered_ = {};
  invalidations_dropped_ += invalidations_.size();
  invalidations_.clear();
  stopping_pasids_.clear();
  if (!queue_is_fixed_) {
    for (std::uint32_t number = 0; number < queues_.size(); ++number)
      if (queues_[number] != nullptr) retire(number);
  }
  state_ = State::reset;
  for (AtsDevice* const function : virtual_functions_) function->reset();
}

void AtsDevice::reset_function() {
  if (!present()) return;
  reset();
  start();
  for (AtsDevice* const function : virtual_functions_) {
    if (function->present()) function->start();
  }
}

void AtsDevice::remove() {
  if (!present()) return;
  for (AtsDevice* const function : virtual_functions_) function->remove();
  reset();
  ++queue_stats_.removals;
  state_ = State::gone;
  tell(EventKind::vanish);
}

void AtsDevice::insert() {
  ensure(!present(), "a function that is there was plugged in");
  state_ = State::run;
  tell_plugged();
}

void AtsDevice::drop_requests() {
  for (std::uint32_t number = 0; number < requests_.size(); ++number) {
    Request& request = requests_[number];
    if (request.stage == Stage::free || request.stage == Stage::lost) continue;
    --request.queue->in_flight;
    if (request.stage == Stage::waiting_for_page) {  // nothing will come for it
      request.stage = Stage::free;
      free_.push_back(number);
      continue;
    }
    ++request.queue->lost;
    request.stage = Stage::lost;
    request.holds = 0;
  }
  in_flight_ = 0;
  translating_ = 0;
  if (queue_is_fixed_) offer(*queues_[0]);
}

// What a reset has left behind comes to its end.
void AtsDevice::discard(std::uint32_t number) {
  Request& request = requests_[number];
  Queue& queue = *request.queue;
  request.stage = Stage::free;
  free_.push_back(number);
  --queue.lost;
  if (queue.retired) bury(queue);
}

std::uint32_t AtsDevice::lost_in_flight() const {
  return static_cast<std::uint32_t>(
      std::count_if(requests_.begin(), requests_.end(),
                    [](const Request& request) { return request.stage == Stage::lost; }));
}

// Its place is free for another. What is in flight still needs it.
void AtsDevice::retire(std::uint32_t number) {
  Queue& queue = *queues_[number];
  if (std::exchange(queue.takes_turns, false)) turns_.remove(number);
  queue.retired = true;
  if (queue.in_flight + queue.lost != 0) retired_.push_back(std::move(queues_[number]));
  queues_[number].reset();
}

void AtsDevice::bury(Queue& queue) {
  if (queue.in_flight + queue.lost != 0) return;
  std::erase_if(retired_, [&](const auto& each) { return each.get() == &queue; });
}

}  // namespace viosim
