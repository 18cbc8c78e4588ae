// The queue's lock, its room, and how submissions end.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/host_iommu.hpp"

namespace viosim {

IommuAbilities abilities_of(const vtd::UnitParams& params) {
  IommuAbilities abilities;
  abilities.caching_mode = params.caching_mode;
  abilities.max_address_mask = static_cast<std::uint8_t>(params.invalidation.max_address_mask);
  return abilities;
}

HostIommu::HostIommu(Engine& engine, vtd::Unit& unit, InvalidationDriver& queue,
                     PhysicalMemory& memory, const IommuAbilities& abilities,
                     const HostIommuParams& params)
    : unit_(unit),
      queue_(queue),
      memory_(memory),
      abilities_(abilities),
      params_(params),
      lock_(engine, unit.path() + ".queue_lock", params.lock_handover) {}

// Gives the lock away meanwhile.
void HostIommu::wait_for_room(Thread& thread, std::size_t descriptors) {
  while (!queue_.has_room(descriptors)) {
    ++stats.full;
    lock_.unlock(thread);
    thread.poll(queue_.room_ahead());
    lock_.lock(thread);
  }
}

Errno HostIommu::submit(Thread& thread, std::span<const vtd::Descriptor> descriptors,
                        InvalidationDriver::Ending ending) {
  const Instant since = thread.now();
  lock_.lock(thread);
  do {
    wait_for_room(thread, descriptors.size());
    thread.run(params_.descriptor_write * (descriptors.size() + 1) + params_.doorbell_write);
  } while (!queue_.has_room(descriptors.size()));  // others need no lock
  InvalidationDriver::Waiter& waiter = queue_.submit(descriptors, ending);
  lock_.unlock(thread);
  thread.poll(queue_.signal_of(waiter));
  thread.run(queue_.poll());
  ++stats.submissions;
  stats.descriptors += descriptors.size();
  latency.record(thread.now() - since);
  switch (queue_.end(waiter)) {
    case InvalidationDriver::Outcome::done:
      return Errno::ok;
    case InvalidationDriver::Outcome::aborted:
      ++stats.aborted;
      return Errno::eagain;
    case InvalidationDriver::Outcome::refused:
      ++stats.refused;
      return Errno::einval;
  }
  return Errno::ok;
}

}  // namespace viosim
