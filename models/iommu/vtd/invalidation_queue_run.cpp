// What descriptors do, which of them stay under way, and when they are complete.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor_trace.hpp"
#include "models/iommu/vtd/invalidation_queue.hpp"

#include <algorithm>

namespace viosim::vtd {

void InvalidationQueue::move_head() {
  ++batch_at_;
  head_ = (head_ + 1) & (entries_ - 1);
}

// A wait behind descriptors that are under way is put beside them, and takes no time of the others.
// False: all is complete, and it is executed like others.
bool InvalidationQueue::start_wait(const Running& wait) {
  State state = State::waiting;
  if (running_.empty()) {
    if (!wait.descriptor.page_drain || pages_drained(wait.number)) return false;
    state = State::draining_pages;
  }
  running_.push_back(wait);
  running_.back().state = state;
  move_head();
  if (listener_ != nullptr) listener_->head_moved();
  return true;
}

void InvalidationQueue::executed() {
  Running done = now_;
  executing_ = false;
  move_head();
  const bool is_put_off = injection.on() && put_off(done);
  const bool complete = is_put_off || !stays_under_way(done);
  if (complete) is_put_off ? count_ended() : end(done);
  if (listener_ != nullptr) listener_->head_moved();
  if (complete && listener_ != nullptr) listener_->descriptor_executed(ended_);
  start_next();
}

DrainKinds InvalidationQueue::kinds_to_drain(const Descriptor& descriptor) const {
  if (descriptor.type == DescriptorType::pasid_iotlb)
    return {params_.pasid_drain, params_.pasid_drain};
  return {params_.drain && descriptor.drain_reads, params_.drain && descriptor.drain_writes};
}

bool InvalidationQueue::stays_under_way(const Running& done) {
  const Descriptor& descriptor = done.descriptor;
  const DrainKinds drains = kinds_to_drain(descriptor);
  if (descriptor.of_device_tlb() && devices_.attached(descriptor.source)) {
    running_.push_back(done);
    devices_.send(done.number, descriptor);
    return true;
  }
  if (const auto invalidation = descriptor.invalidation()) iommu_.apply(*invalidation);
  if (descriptor.type == DescriptorType::page_response) devices_.answer(descriptor);
  if (!drains.reads && !drains.writes) return false;
  if (iommu_.drain(*this, done.number, drains)) return false;
  running_.push_back(done);
  return true;
}

void InvalidationQueue::end(const Running& done) {
  emit(done);
  count_ended();
  if (done.descriptor.type == DescriptorType::wait) return end_wait(done.descriptor);
  if (!held_back_.empty()) take_held_back();
}

void InvalidationQueue::count_ended() {
  ++stats.descriptors;
  ++ended_;
}

void InvalidationQueue::write_status(const Descriptor& wait) {
  ++stats.waits;
  if (wait.status_write) {
    memory_.write_half(wait.status_address, wait.status_data);
    if (listener_ != nullptr) listener_->status_written(wait.status_address);
  }
  if (wait.interrupt && !wait_interrupt_) {
    wait_interrupt_ = true;
    if (event_.raise() && listener_ != nullptr) listener_->wait_interrupt();
  }
}

void InvalidationQueue::clear_wait_interrupt() {
  wait_interrupt_ = false;
  event_.serviced();
}

void InvalidationQueue::mask_event(bool on) {
  if (event_.mask(on) && listener_ != nullptr) listener_->wait_interrupt();
}

void InvalidationQueue::emit(const Running& done) {
  if (!trace_.on()) return;
  TracePoint::What what = told(done.timed_out ? EventKind::timed_out : EventKind::invalidate,
                               done.descriptor, agenda_.now());
  what.address = done.bits[1];
  what.value = done.bits[0];
  what.duration = agenda_.now() - done.start;
  trace_.emit(what);
}

std::deque<InvalidationQueue::Running>::iterator InvalidationQueue::find(std::uint64_t number) {
  return std::find_if(running_.begin(), running_.end(),
                      [&](const Running& one) { return one.number == number; });
}

// One that was sent to a function: under way, or a stray.
InvalidationQueue::Running& InvalidationQueue::sent(std::uint64_t number) {
  if (const auto at = find(number); at != running_.end()) return *at;
  const auto stray = find_stray(number);
  ensure(stray != strays_.end(), "a request to a function timed out that was not sent");
  return *stray;
}

// One that was under way, at the end of whatever it waited for.
void InvalidationQueue::complete(std::uint64_t number) {
  if (end_stray(number)) return;
  const auto at = find(number);
  ensure(at != running_.end(), "a descriptor is complete that is not under way");
  const Running done = *at;
  running_.erase(at);
  end(done);
  look_at_waits();
  if (listener_ != nullptr) listener_->descriptor_executed(ended_);
  if (held_up_ && !held()) start_next();
  settle();
}

// The first one under way is a wait: all that is ahead of it is complete.
void InvalidationQueue::look_at_waits() {
  if (running_.empty() || running_.front().state != State::waiting) return;
  Running& wait = running_.front();
  if (wait.descriptor.page_drain) {
    wait.state = State::draining_pages;
    if (!pages_drained(wait.number)) return;
  }
  wait.state = State::writing;
  schedule(params_.wait, What::written, wait.number);
}

// Requests first, then the answers that have left by then.
bool InvalidationQueue::pages_drained(std::uint64_t number) {
  if (pages_ != nullptr && !pages_->drain(*this, number)) return false;
  return answers_arrived(number);
}

bool InvalidationQueue::answers_arrived(std::uint64_t number) {
  Instant last = devices_.answers_arrive();
  if (pages_ != nullptr) last = std::max(last, pages_->answers_arrive());
  if (last <= agenda_.now()) return true;
  schedule(last - agenda_.now(), What::answered, number);
  return false;
}

void InvalidationQueue::drain_ended(std::uint64_t number) {
  const auto at = find(number);
  if (at == running_.end()) return;  // a wait that was aborted
  if (at->state == State::under_way) return complete(number);
  if (answers_arrived(number)) write_soon(number);
}

// A page drain is over.
void InvalidationQueue::write_soon(std::uint64_t number) {
  const auto at = find(number);
  if (at == running_.end()) return;  // a wait that was aborted
  at->state = State::writing;
  schedule(params_.wait, What::written, number);
}

// Linux' qi_check_fault: "all pending wait_desc commands are aborted". One whose status write is on
// its way is no longer pending.
void InvalidationQueue::abort_waits() {
  std::erase_if(running_, [this](const Running& one) {
    if (one.state != State::waiting && one.state != State::draining_pages) return false;
    ++devices_.stats.waits_aborted;
    ++ended_;
    if (listener_ != nullptr) listener_->wait_aborted(one.descriptor.status_address);
    return true;
  });
}

void InvalidationQueue::device_timed_out(std::uint64_t cookie, Bdf source) {
  if (!errors_.timeout) errors_.timed_out = source;
  errors_.timeout = true;
  abort_waits();
  if (held_up_) stop_batch();
  sent(cookie).timed_out = true;
  complete(cookie);
  if (listener_ != nullptr) listener_->invalidation_timed_out(source);
}

void InvalidationQueue::device_unexpected(Bdf source) {
  if (!errors_.completion) errors_.unexpected = source;
  errors_.completion = true;
  if (listener_ != nullptr) listener_->unexpected_completion(source);
}

}  // namespace viosim::vtd
