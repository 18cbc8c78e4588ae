// Descriptors that hardware loses, executes later, twice, behind the next one, or for one page only, though
// it tells software that they are done.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor_injection.hpp"
#include "models/iommu/vtd/invalidation_queue.hpp"

#include <algorithm>
#include <utility>

namespace viosim::vtd {

// True: it counts as executed, and has had no effect.
bool InvalidationQueue::put_off(Running& done) {
  if (done.descriptor.type == DescriptorType::wait) return false;
  const Ruling ruling = ruling_on(injection, done.descriptor);
  if (ruling.fate == Fate::reorder) {
    held_back_.push_back(done);
    return true;
  }
  switch (ruling.fate) {
    case Fate::drop:
      return true;
    case Fate::delay:
      late_.push_back(done);
      schedule(ruling.by, What::late, done.number);
      return true;
    case Fate::duplicate:
      take_effect(done);
      return false;
    case Fate::truncate:
      done.descriptor = truncated(done.descriptor);
      done.bits = done.descriptor.encode();
      return false;
    default:
      return false;
  }
}

// Another one is complete.
void InvalidationQueue::take_held_back() {
  for (Running& one : std::exchange(held_back_, {})) {
    late_.push_back(one);
    schedule(Ps(0), What::late, one.number);
  }
}

void InvalidationQueue::take_late(std::uint64_t number) {
  const auto at = std::find_if(late_.begin(), late_.end(),
                               [&](const Running& one) { return one.number == number; });
  const Running late = *at;
  late_.erase(at);
  take_effect(late);
}

// No wait knows of it.
void InvalidationQueue::take_effect(Running descriptor) {
  const Descriptor& order = descriptor.descriptor;
  if (order.of_device_tlb() && devices_.attached(order.source)) {
    descriptor.number = ++last_number_;
    strays_.push_back(descriptor);
    return devices_.send(descriptor.number, order);
  }
  if (const auto invalidation = order.invalidation()) iommu_.apply(*invalidation);
  if (order.type == DescriptorType::page_response) devices_.answer(order);
  emit(descriptor);
}

std::vector<InvalidationQueue::Running>::iterator InvalidationQueue::find_stray(
    std::uint64_t number) {
  return std::find_if(strays_.begin(), strays_.end(),
                      [&](const Running& one) { return one.number == number; });
}

bool InvalidationQueue::end_stray(std::uint64_t number) {
  const auto at = find_stray(number);
  if (at == strays_.end()) return false;
  const Running stray = *at;
  strays_.erase(at);
  emit(stray);
  return true;
}

void InvalidationQueue::end_wait(const Descriptor& wait) {
  const Ruling ruling = injection.ask(Message::wait);
  switch (ruling.fate) {
    case Fate::drop:
      return;
    case Fate::delay: {
      Running late;
      late.number = ++last_number_;
      late.descriptor = wait;
      late_statuses_.push_back(late);
      return schedule(ruling.by, What::late_status, late.number);
    }
    case Fate::reorder:
      return held_statuses_.push_back(wait);
    default:
      break;
  }
  write_status(wait);
  for (const Descriptor& held : std::exchange(held_statuses_, {})) write_status(held);
}

void InvalidationQueue::write_late_status(std::uint64_t number) {
  const auto at = std::find_if(late_statuses_.begin(), late_statuses_.end(),
                               [&](const Running& one) { return one.number == number; });
  const Descriptor wait = at->descriptor;
  late_statuses_.erase(at);
  write_status(wait);
}

}  // namespace viosim::vtd
