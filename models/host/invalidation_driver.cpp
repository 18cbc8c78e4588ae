// Filling the ring, waiting for room, and seeing that a wait descriptor is done.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/invalidation_driver.hpp"

namespace viosim {
namespace {

constexpr std::uint32_t kept_free = 2;  // Linux' qi_submit_sync: "count + 2 free slots"
constexpr std::uint32_t status_done = 2;

}  // namespace

InvalidationDriver::InvalidationDriver(Engine& engine, PhysicalMemory& memory,
                                       vtd::InvalidationQueue& queue, Ps poll)
    : engine_(engine),
      memory_(memory),
      queue_(queue),
      poll_(poll),
      room_(engine, "room in the invalidation queue") {
  queue.listen(*this);
}

std::uint32_t InvalidationDriver::free_entries() const {
  const std::uint32_t used = (tail_ - queue_.head()) & (queue_.entries() - 1);
  return queue_.entries() - 1 - used;
}

void InvalidationDriver::write(std::uint64_t low, std::uint64_t high) {
  const Hpa at = queue_.base() + Bytes(tail_ * queue_.entry_size().count());
  memory_.write(at, low);
  memory_.write(at + Bytes(8), high);
  tail_ = (tail_ + 1) & (queue_.entries() - 1);
  ++submitted_;
}

InvalidationDriver::Waiter& InvalidationDriver::free_waiter() {
  for (Waiter& waiter : waiters_) {
    if (!waiter.in_use) return waiter;
  }
  return waiters_.emplace_back(engine_, memory_.allocate_frames());
}

void InvalidationDriver::submit_and_wait(std::span<const vtd::Descriptor> descriptors) {
  const auto needed = static_cast<std::uint32_t>(descriptors.size()) + 1;
  ensure(needed + kept_free < queue_.entries(),
         "a submission is larger than the invalidation queue");
  while (free_entries() < needed + kept_free) {
    ++waiting_for_room_;
    room_.wait();
  }
  Waiter& waiter = free_waiter();
  waiter.in_use = true;
  for (const vtd::Descriptor& descriptor : descriptors) {
    const auto words = descriptor.encode();
    write(words[0], words[1]);
  }
  vtd::Descriptor wait;
  wait.status_write = true;
  wait.status_data = status_done;
  wait.status_address = waiter.address;
  const auto words = wait.encode();
  write(words[0], words[1]);
  queue_.write_tail(tail_);
  waiter.done.wait();
  engine_.sleep_for(poll_);
  waiter.in_use = false;
}

// Ranges are by page; those of a second level wait for the requests that used it.
void InvalidationDriver::invalidate_and_wait(const Invalidation& order) {
  const bool first = order.scope == Invalidation::Scope::space_range;
  ensure(first || order.scope == Invalidation::Scope::domain_range,
         "an order that no descriptor of ranges gives");
  vtd::Descriptor flush;
  flush.type = first ? vtd::DescriptorType::pasid_iotlb : vtd::DescriptorType::iotlb;
  flush.granularity = vtd::Granularity::page;
  flush.domain = order.domain;
  if (first) flush.pasid = order.pasid;
  flush.address = order.address;
  flush.address_mask = order.address_mask;
  flush.leaf_only = order.leaf_only;
  flush.drain_reads = !first;
  flush.drain_writes = !first;
  submit_and_wait({&flush, 1});
}

void InvalidationDriver::post(std::uint64_t low, std::uint64_t high, Done& done) {
  ensure(posted_ == nullptr, "a descriptor was posted before the last one was done");
  ensure(vtd::Descriptor::decodable(low), "a descriptor was posted that does not decode");
  write(low, high);
  posted_ = &done;
  posted_number_ = submitted_;
  queue_.write_tail(tail_);
}

void InvalidationDriver::descriptor_executed(std::uint64_t how_many) {
  for (; waiting_for_room_ > 0; --waiting_for_room_) room_.raise();
  if (posted_ != nullptr && how_many >= posted_number_) {
    Done* const done = posted_;
    posted_ = nullptr;
    done->descriptor_done();
  }
}

void InvalidationDriver::status_written(Hpa address) {
  for (Waiter& waiter : waiters_) {
    if (waiter.in_use && waiter.address == address) waiter.done.raise();
  }
}

}  // namespace viosim
