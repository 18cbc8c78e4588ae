// Filling the ring, waiting for room, and seeing that a wait descriptor is done.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/invalidation_driver.hpp"

#include "models/iommu/vtd/descriptor_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

constexpr std::uint32_t kept_free = 2;  // Linux' qi_submit_sync: "count + 2 free slots"
constexpr std::uint32_t status_done = 2;

}  // namespace

// A status word that somebody polls, and the descriptors ahead of it. Numbers count what was written into
// the ring so far.
class InvalidationDriver::Waiter {
 public:
  Waiter(Engine& engine, Hpa word, std::size_t which)
      : address(word), number(which), done(engine, "completion of a wait descriptor") {}
  Hpa address;
  std::size_t number;
  Signal done;
  std::vector<vtd::Descriptor> descriptors;  // the ring may hold others by the time of an abort
  std::uint64_t first = 0;
  Outcome outcome = Outcome::done;
  bool pending = false;    // neither done nor aborted
  bool timed_out = false;  // a request ahead of it, perhaps; what it says is no success
  bool in_use = false;
};

InvalidationDriver::InvalidationDriver(Engine& engine, PhysicalMemory& memory,
                                       vtd::InvalidationQueue& queue, Ps poll)
    : engine_(engine),
      memory_(memory),
      queue_(queue),
      poll_(poll),
      room_(engine, "room in the invalidation queue") {
  queue.listen(*this);
}

InvalidationDriver::~InvalidationDriver() = default;

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
  if (free_waiters_.empty()) {
    const Hpa word = memory_.allocate_frames();
    waiters_.push_back(std::make_unique<Waiter>(engine_, word, waiters_.size()));
    by_address_.emplace(word, waiters_.back().get());
    return *waiters_.back();
  }
  Waiter& waiter = *waiters_[*free_waiters_.begin()];
  free_waiters_.erase(free_waiters_.begin());
  return waiter;
}

InvalidationDriver::Waiter* InvalidationDriver::waiting_at(Hpa address) const {
  const auto found = by_address_.find(address);
  return found != by_address_.end() && found->second->in_use ? found->second : nullptr;
}

bool InvalidationDriver::has_room(std::size_t descriptors) const {
  const std::size_t needed = descriptors + 1 + kept_free;
  ensure(needed < queue_.entries(), "a submission is larger than the invalidation queue");
  return free_entries() >= needed;
}

// Of one order: others find room beside it.
std::size_t InvalidationDriver::most_at_once() const { return queue_.entries() / 2; }

// Those before it have been taken up.
std::uint64_t InvalidationDriver::number_of_head() const {
  return submitted_ - ((tail_ - queue_.head()) & (queue_.entries() - 1));
}

Signal& InvalidationDriver::room_ahead() {
  ++waiting_for_room_;
  return room_;
}

void InvalidationDriver::wait_for_room(std::size_t descriptors) {
  while (!has_room(descriptors)) room_ahead().wait();
}

InvalidationDriver::Waiter& InvalidationDriver::submit(std::span<const vtd::Descriptor> descriptors,
                                                       Ending ending) {
  Waiter& waiter = free_waiter();
  waiter.in_use = true;
  fill(waiter, descriptors, ending);
  return waiter;
}

Signal& InvalidationDriver::signal_of(Waiter& waiter) { return waiter.done; }

InvalidationDriver::Outcome InvalidationDriver::end(Waiter& waiter) {
  waiter.in_use = false;
  free_waiters_.insert(waiter.number);
  return waiter.outcome;
}

void InvalidationDriver::submit_and_wait(std::span<const vtd::Descriptor> descriptors) {
  Waiter* waiter = nullptr;
  std::uint32_t tries = 0;
  do {
    if (tries++ == tries_) give_up(descriptors);
    wait_for_room(descriptors.size());
    if (waiter == nullptr) {
      waiter = &submit(descriptors, {});
    } else {
      fill(*waiter, descriptors, {});
    }
    waiter->done.wait();
    engine_.sleep_for(poll_);
    // What is aborted is the wait: a response ahead of it has been sent, and a group gets one.
    const bool sent = descriptors.front().type == vtd::DescriptorType::page_response;
    if (sent && waiter->outcome == Outcome::aborted) waiter->outcome = Outcome::done;
  } while (waiter->outcome == Outcome::aborted);
  ensure(end(*waiter) == Outcome::done, "hardware did not take an invalidation descriptor");
}

void InvalidationDriver::give_up(std::span<const vtd::Descriptor> descriptors) const {
  if (trace.on()) {
    for (const vtd::Descriptor& descriptor : descriptors)
      trace.emit(vtd::told(EventKind::given_up, descriptor, engine_.now()));
  }
  throw LivelockError(fmt::format(
      "an invalidation was submitted {} times, and each time aborted by an invalidation time-out "
      "error (ITE): device {} does not answer, or not within device_tlb_timeout",
      tries_, timed_out_.text()));
}

void InvalidationDriver::fill(Waiter& waiter, std::span<const vtd::Descriptor> descriptors,
                              Ending ending) {
  waiter.outcome = Outcome::done;
  waiter.pending = true;
  waiter.timed_out = false;
  waiter.first = submitted_;
  waiter.descriptors.assign(descriptors.begin(), descriptors.end());
  for (const vtd::Descriptor& descriptor : descriptors) {
    write(descriptor.encode());
    if (trace.on()) trace.emit(vtd::told(EventKind::submit, descriptor, engine_.now()));
  }
  vtd::Descriptor wait;
  wait.status_write = true;
  wait.status_data = status_done;
  wait.status_address = waiter.address;
  wait.page_drain = ending.page_drain;
  write(wait.encode());
  queue_.write_tail(tail_);
}

// Ranges are by page; those of a second level wait for the requests that used it. What is too much for one
// submission is several: the IOTLB's is done before the first of a device begins.
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
  if (devices.functions.size() > most_at_once() - all.size()) {
    submit_and_wait(all);
    all.clear();
  }
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
    if (all.size() == most_at_once()) submit_and_wait(std::exchange(all, {}));
  }
  if (!all.empty()) submit_and_wait(all);
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
  descriptor.has_private_data = response.private_data.has_value();
  if (descriptor.has_private_data) descriptor.private_data = *response.private_data;
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
  Waiter* const waiter = waiting_at(address);
  if (waiter == nullptr) return;
  if (waiter->timed_out) return aborted(*waiter);
  waiter->pending = false;
  waiter->done.raise();
}

void InvalidationDriver::wait_aborted(Hpa address) {
  if (Waiter* const waiter = waiting_at(address)) aborted(*waiter);
}

void InvalidationDriver::aborted(Waiter& waiter) {
  waiter.pending = false;
  waiter.outcome = Outcome::aborted;
  if (trace.on()) {
    for (const vtd::Descriptor& descriptor : waiter.descriptors)
      trace.emit(vtd::told(EventKind::aborted, descriptor, engine_.now()));
  }
  waiter.done.raise();
}

// Linux' qi_check_fault: a wait descriptor takes the place of the one that hardware does not take.
// This one tells nobody: whoever waits behind it is told by his own.
void InvalidationDriver::queue_stopped(std::uint32_t head) {
  const std::uint64_t number = number_of_head();
  for (const auto& waiter : waiters_) {
    const bool its_own =
        number >= waiter->first && number - waiter->first <= waiter->descriptors.size();
    if (!waiter->in_use || !its_own) continue;
    waiter->outcome = Outcome::refused;
    const vtd::DescriptorBits nothing = vtd::Descriptor{}.encode();
    const Hpa at = queue_.base() + Bytes(head * queue_.entry_size().count());
    for (std::uint64_t offset = 0; offset < queue_.entry_size().count(); offset += 8)
      memory_.write(at + Bytes(offset), nothing[offset / 8]);
    queue_.clear(true, false, false);
    return;
  }
}

// Software polls FSTS while it waits. Every submission whose wait was aborted is made again, and every one
// whose wait hardware has not come to, though a request ahead of that one may be what timed out: the error
// names a function only (ITESID), and the wait will be executed as if nothing had been.
void InvalidationDriver::invalidation_timed_out(Bdf source) {
  timed_out_ = source;
  for (const auto& waiter : waiters_) {
    if (waiter->pending && asks(*waiter, source)) waiter->timed_out = true;
  }
  queue_.clear(false, false, true);
}

// Among those of its descriptors that hardware has taken up.
bool InvalidationDriver::asks(const Waiter& waiter, Bdf source) const {
  const std::uint64_t taken_up = number_of_head();
  std::uint64_t number = waiter.first;
  return std::any_of(
      waiter.descriptors.begin(), waiter.descriptors.end(), [&](const vtd::Descriptor& descriptor) {
        return number++ < taken_up && descriptor.of_device_tlb() && descriptor.source == source;
      });
}

}  // namespace viosim
