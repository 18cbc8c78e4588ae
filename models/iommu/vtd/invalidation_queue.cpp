// Fetching descriptors, executing them in order, and telling software.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/invalidation_queue.hpp"

#include "models/event_order.hpp"
#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <bit>

namespace viosim::vtd {

void InvalidationQueueParams::check(const Where& where) const {
  if (entries < 128 || entries > 32768 || !std::has_single_bit(entries)) {
    (where / "entries")
        .reject(fmt::format("read {}; expected a power of two from 128 to 32768", entries));
  }
}

InvalidationQueue::InvalidationQueue(const InvalidationQueueParams& params, bool wide,
                                     std::uint32_t number, Agenda& agenda, PhysicalMemory& memory,
                                     Iommu& iommu)
    : params_(params),
      wide_(wide),
      number_(number),
      agenda_(agenda),
      memory_(memory),
      iommu_(iommu),
      base_(memory.allocate_frames((params.entries * entry_size().count() + page_4k.count() - 1) /
                                   page_4k.count())) {}

void InvalidationQueue::schedule(Ps after, What what, std::uint64_t argument) {
  agenda_.schedule(agenda_.now() + after, rank(EventClass::invalidation, number_), *this,
                   argument << 2U | static_cast<std::uint64_t>(what));
}

void InvalidationQueue::write_tail(std::uint32_t tail) {
  ensure(tail < params_.entries, "the tail register was written with a number beyond the ring");
  schedule(params_.doorbell, What::doorbell, tail);
}

void InvalidationQueue::clear_error() {
  ensure(stopped_, "a queue that runs has no error to clear");
  stopped_ = false;
  if (head_ != tail_) start_fetch();
}

void InvalidationQueue::fire(std::uint64_t what) {
  switch (static_cast<What>(what & 3U)) {
    case What::doorbell:
      tail_ = static_cast<std::uint32_t>(what >> 2U);
      if (!busy_ && !stopped_ && head_ != tail_) start_fetch();
      return;
    case What::fetched:
      return fetched();
    case What::executed:
      return executed();
  }
}

void InvalidationQueue::start_fetch() {
  busy_ = true;
  ++stats.batches;
  batch_start_ = agenda_.now();
  fetched_until_ = tail_;
  const std::uint32_t count = (tail_ - head_) & (params_.entries - 1);
  schedule(params_.fetch + params_.fetch_each * count, What::fetched);
}

// The descriptors as they are in memory now, not as they were when the tail was written.
void InvalidationQueue::fetched() {
  batch_.clear();
  batch_at_ = 0;
  for (std::uint32_t i = head_; i != fetched_until_; i = (i + 1) & (params_.entries - 1)) {
    const Hpa at = base_ + Bytes(i * entry_size().count());
    batch_.push_back({memory_.read(at), memory_.read(at + Bytes(8))});
  }
  start_next();
}

void InvalidationQueue::start_next() {
  if (batch_at_ == batch_.size()) {
    batch_latency.record(agenda_.now() - batch_start_);
    busy_ = false;
    if (head_ != tail_) start_fetch();
    return;
  }
  const std::uint64_t low = batch_[batch_at_][0];
  if (!Descriptor::decodable(low)) {
    ++stats.errors;
    busy_ = false;
    stopped_ = true;
    if (listener_ != nullptr) listener_->queue_stopped(head_);
    return;
  }
  descriptor_start_ = agenda_.now();
  schedule(cost(static_cast<DescriptorType>(low & 15U)), What::executed);
}

void InvalidationQueue::executed() {
  const Descriptor descriptor = Descriptor::decode(batch_[batch_at_][0], batch_[batch_at_][1]);
  emit(batch_[batch_at_]);
  ++batch_at_;
  head_ = (head_ + 1) & (params_.entries - 1);
  ++stats.descriptors;
  if (descriptor.type == DescriptorType::wait) {
    ++stats.waits;
    if (descriptor.status_write) {
      memory_.write_half(descriptor.status_address, descriptor.status_data);
      if (listener_ != nullptr) listener_->status_written(descriptor.status_address);
    }
  } else if (const auto invalidation = descriptor.invalidation()) {
    iommu_.apply(*invalidation);
  }
  if (listener_ != nullptr) listener_->descriptor_executed(stats.descriptors);
  start_next();
}

void InvalidationQueue::emit(const std::array<std::uint64_t, 2>& descriptor) {
  if (tracer_ == nullptr || !tracer_->on()) return;
  TraceEvent event;
  event.time = agenda_.now().ps();
  event.duration = (agenda_.now() - descriptor_start_).count();
  event.address = descriptor[1];
  event.value = descriptor[0];
  event.component = component_;
  event.kind = static_cast<std::uint16_t>(EventKind::invalidate);
  event.code = static_cast<std::uint16_t>(descriptor[0] & 15U);
  tracer_->emit(event);
}

Ps InvalidationQueue::cost(DescriptorType type) const {
  switch (type) {
    case DescriptorType::context_cache:
      return params_.context_cache;
    case DescriptorType::pasid_cache:
      return params_.pasid_cache;
    case DescriptorType::iotlb:
    case DescriptorType::pasid_iotlb:
      return params_.iotlb;
    case DescriptorType::device_tlb:
      return params_.device_tlb;
    case DescriptorType::interrupt_cache:
      return params_.interrupt_cache;
    case DescriptorType::wait:
      return params_.wait;
  }
  return Ps(0);
}

}  // namespace viosim::vtd
