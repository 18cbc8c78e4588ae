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

void InvalidationDriver::write(const vtd::DescriptorBits& bits) {
  const std::uint64_t size = queue_.entry_size().count();
  const Hpa at = queue_.base() + Bytes(tail_ * size);
  for (std::uint64_t offset = 0; offset < size; offset += 8)
    memory_.write(at + Bytes(offset), bits[offset / 8]);
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
  wait_for_room(needed + kept_free);
  Waiter& waiter = free_waiter();
  waiter.in_use = true;
  for (;;) {
    waiter.aborted = false;
    submit(descriptors, waiter.address);
    waiter.done.wait();
    engine_.sleep_for(poll_);
    if (!waiter.aborted) break;
    wait_for_room(needed + kept_free);
  }
  waiter.in_use = false;
}

void InvalidationDriver::wait_for_room(std::uint32_t entries) {
  while (free_entries() < entries) {
    ++waiting_for_room_;
    room_.wait();
  }
}

void InvalidationDriver::submit(std::span<const vtd::Descriptor> descriptors, Hpa status) {
  for (const vtd::Descriptor& descriptor : descriptors) write(descriptor.encode());
  vtd::Descriptor wait;
  wait.status_write = true;
  wait.status_data = status_done;
  wait.status_address = status;
  write(wait.encode());
  queue_.write_tail(tail_);
}

// Ranges are by page; those of a second level wait for the requests that used it.
void InvalidationDriver::invalidate_and_wait(const Invalidation& order, const DeviceTlbs& devices) {
  const bool first = order.scope == Invalidation::Scope::space_range;
  const bool all_of_them = order.scope == Invalidation::Scope::all;
  ensure(first || all_of_them || order.scope == Invalidation::Scope::domain_range,
         "an order that no descriptor gives");
  vtd::Descriptor flush;
  flush.type = first ? vtd::DescriptorType::pasid_iotlb : vtd::DescriptorType::iotlb;
  flush.granularity = all_of_them ? vtd::Granularity::global : vtd::Granularity::page;
  flush.domain = order.domain;
  if (first) flush.pasid = order.pasid;
  flush.address = order.address;
  flush.address_mask = order.address_mask;
  flush.leaf_only = order.leaf_only;
  flush.drain_reads = !first;
  flush.drain_writes = !first;
  std::vector<vtd::Descriptor> all{flush};
  for (const Bdf function : devices.functions) {
    vtd::Descriptor device;
    const bool by_pasid = devices.pasid != no_pasid;
    device.type =
        by_pasid ? vtd::DescriptorType::pasid_device_tlb : vtd::DescriptorType::device_tlb;
    device.source = function;
    if (by_pasid) device.pasid = devices.pasid;
    device.address = order.address;
    device.address_mask = order.address_mask;
    all.push_back(device);
  }
  submit_and_wait(all);
}

void InvalidationDriver::respond(const PageResponse& response) {
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::page_response;
  descriptor.source = response.source;
  descriptor.has_pasid = response.pasid != no_pasid;
  if (descriptor.has_pasid) descriptor.pasid = response.pasid;
  descriptor.last = true;
  descriptor.group = response.group;
  descriptor.code = response.code;
  submit_and_wait({&descriptor, 1});
}

void InvalidationDriver::post(std::uint64_t low, std::uint64_t high, Done& done) {
  ensure(posted_ == nullptr, "a descriptor was posted before the last one was done");
  ensure(vtd::Descriptor::decodable(low), "a descriptor was posted that does not decode");
  write({low, high, 0, 0});
  posted_ = &done;
  posted_number_ = submitted_;
  queue_.write_tail(tail_);
}

void InvalidationDriver::head_moved() {
  for (; waiting_for_room_ > 0; --waiting_for_room_) room_.raise();
}

void InvalidationDriver::descriptor_executed(std::uint64_t how_many) {
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

void InvalidationDriver::wait_aborted(Hpa address) {
  for (Waiter& waiter : waiters_) {
    if (!waiter.in_use || waiter.address != address) continue;
    waiter.aborted = true;
    waiter.done.raise();
  }
}

// Software polls FSTS while it waits. Every submission whose wait was aborted is made again.
void InvalidationDriver::invalidation_timed_out(Bdf /*source*/) {
  queue_.clear(false, false, true);
}

}  // namespace viosim
