// The ring: fetching descriptors and taking them up in order.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/invalidation_queue.hpp"

#include "models/event_order.hpp"

#include <fmt/format.h>

#include <bit>

namespace viosim::vtd {

InvalidationQueue::InvalidationQueue(const InvalidationQueueParams& params, bool scalable,
                                     std::uint32_t number, Agenda& agenda, PhysicalMemory& memory,
                                     Iommu& iommu)
    : params_(params),
      scalable_(scalable),
      wide_(scalable),
      number_(number),
      agenda_(agenda),
      memory_(memory),
      iommu_(iommu),
      devices_(params, number, agenda, *this),
      entries_(params.entries),
      base_(memory.allocate_frames((params.entries * entry_size().count() + page_4k.count() - 1) /
                                   page_4k.count())) {
  ensure(entries_ >= (wide_ ? least_wide_entries : least_entries) &&
             entries_ <= (wide_ ? most_wide_entries : most_entries),
         "an invalidation queue has a ring that its registers cannot name");
}

void InvalidationQueue::schedule(Ps after, What what, std::uint64_t argument) {
  agenda_.schedule(agenda_.now() + after, rank(EventClass::invalidation, number_), *this,
                   argument << 4U | static_cast<std::uint64_t>(what));
}

void InvalidationQueue::fire(std::uint64_t what) {
  const std::uint64_t argument = what >> 4U;
  switch (static_cast<What>(what & 15U)) {
    case What::doorbell:
      --doorbells_;
      return take_tail(static_cast<std::uint32_t>(argument));
    case What::fetched:
      return fetched();
    case What::executed:
      return executed();
    case What::drained:
      return drain_ended(argument);
    case What::answered:
      return write_soon(argument);
    case What::written:
      return complete(argument);
    case What::late:
      return take_late(argument);
    case What::late_status:
      return write_late_status(argument);
  }
}

void InvalidationQueue::write_tail(std::uint32_t tail) {
  ensure(tail < entries_, "the tail register was written with a number beyond the ring");
  write_tail_register(tail * entry_size().count());
}

// While it is off the ring may still change, and with it what a tail means.
void InvalidationQueue::write_tail_register(std::uint64_t value) {
  constexpr std::uint64_t tail_bits = 0x7fff0;
  const auto offset = static_cast<std::uint32_t>(value & tail_bits);
  if (!enabled()) {
    tail_offset_ = offset;
    return;
  }
  ++doorbells_;
  schedule(params_.doorbell, What::doorbell, offset);
}

// One that passes the head, or goes back, is software's mistake: hardware goes on to it round the ring.
void InvalidationQueue::take_tail(std::uint32_t offset) {
  tail_offset_ = offset;
  settle();
  if (!enabled_ || stopped()) return;
  const QueueError reason = tail_error();
  if (reason == QueueError::none) return go_on();
  if (held_up_) stop_batch();
  stop(reason);
}

// Of entries of 32 bytes bit 4 has to be clear (VT-d 3.x, IQT_REG).
QueueError InvalidationQueue::tail_error() const {
  if (tail_offset_ % entry_size().count() != 0) return QueueError::tail_misaligned;
  return tail() < entries_ ? QueueError::none : QueueError::tail_beyond_ring;
}

void InvalidationQueue::clear_error() {
  ensure(stopped(), "a queue that runs has no error to clear");
  clear(true, false, true);
}

void InvalidationQueue::clear(bool queue, bool completion, bool timeout) {
  if (queue) {
    errors_.queue = false;
    errors_.reason = QueueError::none;
  }
  if (completion) {
    errors_.completion = false;
    errors_.unexpected = {};
  }
  if (timeout) {
    errors_.timeout = false;
    errors_.timed_out = {};
  }
  go_on();
}

void InvalidationQueue::enable(bool on) {
  if (on && !enabled_ && !quiet()) return;  // software has not waited until it was off
  enabled_ = on;
  if (!on && held_up_) stop_batch();
  settle();
  go_on();
}

void InvalidationQueue::set_ring(Hpa base, std::uint32_t entries, bool wide) {
  ensure(!enabled(), "the ring of an invalidation queue was moved while it is enabled");
  ensure(std::has_single_bit(entries), "the entries of a ring are not a power of two");
  base_ = base;
  entries_ = entries;
  wide_ = wide;
}

// A bad tail that another one is about to replace is not looked at any more.
void InvalidationQueue::go_on() {
  if (!enabled_ || busy_ || stopped()) return;
  if (const QueueError reason = tail_error(); reason != QueueError::none) {
    if (doorbells_ == 0) stop(reason);
    return;
  }
  if (head_ != tail()) start_fetch();
}

void InvalidationQueue::start_fetch() {
  busy_ = true;
  ++stats.batches;
  batch_start_ = agenda_.now();
  fetched_until_ = tail();
  const std::uint32_t count = (tail() - head_) & (entries_ - 1);
  schedule(params_.fetch + params_.fetch_each * count, What::fetched);
}

// The descriptors as they are in memory now, not as they were when the tail was written.
void InvalidationQueue::fetched() {
  batch_.clear();
  batch_at_ = 0;
  for (std::uint32_t i = head_; i != fetched_until_; i = (i + 1) & (entries_ - 1)) {
    const Hpa at = base_ + Bytes(i * entry_size().count());
    DescriptorBits bits{memory_.read(at), memory_.read(at + Bytes(8)), 0, 0};
    if (wide_) {
      bits[2] = memory_.read(at + Bytes(16));
      bits[3] = memory_.read(at + Bytes(24));
    }
    batch_.push_back(bits);
  }
  start_next();
}

void InvalidationQueue::start_next() {
  for (;;) {
    if (stopped() || !enabled_) return stop_batch();
    if (batch_at_ == batch_.size()) return end_batch();
    held_up_ = held();
    if (held_up_) return;
    const DescriptorBits& bits = batch_[batch_at_];
    if (const QueueError reason = error(bits); reason != QueueError::none) {
      stop_batch();
      return stop(reason);
    }
    now_ = {++last_number_, bits, Descriptor::decode(bits), agenda_.now(), State::under_way};
    const bool wait = now_.descriptor.type == DescriptorType::wait;
    if (!wait || !start_wait(now_)) break;
  }
  executing_ = true;
  schedule(cost(now_.descriptor), What::executed);
}

// What was fetched and not executed is fetched again when the queue goes on.
void InvalidationQueue::stop_batch() {
  busy_ = false;
  held_up_ = false;
  settle();
}

// Switched off, and done with what was under way.
void InvalidationQueue::settle() {
  if (!enabled()) head_ = 0;
}

void InvalidationQueue::end_batch() {
  batch_latency.record(agenda_.now() - batch_start_);
  busy_ = false;
  go_on();
}

// VT-d 3.x, 6.5.2.9: a fence completes before what follows it begins.
bool InvalidationQueue::held() const {
  return running_.size() >= params_.outstanding ||
         (!running_.empty() && running_.back().descriptor.type == DescriptorType::wait &&
          running_.back().descriptor.fence);
}

QueueError InvalidationQueue::error(const DescriptorBits& bits) const {
  if (scalable_ && !wide_) return QueueError::entry_width;
  return Descriptor::error(bits, static_cast<std::uint8_t>(params_.max_address_mask));
}

void InvalidationQueue::stop(QueueError reason) {
  ++stats.errors;
  errors_.queue = true;
  errors_.reason = reason;
  if (listener_ != nullptr) listener_->queue_stopped(head_);
}

Ps InvalidationQueue::cost(const Descriptor& descriptor) const {
  switch (descriptor.type) {
    case DescriptorType::context_cache:
      return params_.context_cache;
    case DescriptorType::pasid_cache:
      return params_.pasid_cache;
    case DescriptorType::iotlb:
      if (descriptor.granularity == Granularity::domain)
        return params_.iotlb + params_.iotlb_domain_each * iommu_.iotlb_entries();
      return params_.iotlb;
    case DescriptorType::pasid_iotlb:
      return params_.iotlb;
    case DescriptorType::device_tlb:
    case DescriptorType::pasid_device_tlb:
      return devices_.attached(descriptor.source) ? params_.device_tlb_send : params_.device_tlb;
    case DescriptorType::interrupt_cache:
      return params_.interrupt_cache;
    case DescriptorType::wait:
      return params_.wait;
    case DescriptorType::page_response:
      return params_.page_response;
  }
  return Ps(0);
}

}  // namespace viosim::vtd
