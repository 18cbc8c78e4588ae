// A host's IOMMU hardware, as its kernel's driver meets it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/cpu/locks.hpp"
#include "models/host/invalidation_driver.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "models/kernel/kernel_iommu.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace viosim {

struct HostIommuParams {
  Ps descriptor_write = 10ns;
  Ps doorbell_write = 20ns;
  Ps lock_handover = 100ns;

  static constexpr auto fields() {
    using P = HostIommuParams;
    return Fields{
        field("descriptor_write", &P::descriptor_write,
              "Writing a descriptor into the invalidation queue, for software.", "assumed"),
        field("doorbell_write", &P::doorbell_write,
              "Writing the tail register, for the processor: it does not wait for its arrival.",
              "assumed"),
        field("lock_handover", &P::lock_handover,
              "From the release of the queue's lock to the next holder's going on.", "assumed")};
  }
  bool operator==(const HostIommuParams&) const = default;
};

struct HostIommuStats {
  std::uint64_t submissions = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t full = 0;
  std::uint64_t aborted = 0;
  std::uint64_t refused = 0;
  static constexpr auto fields() {
    using S = HostIommuStats;
    return Fields{metric("submissions", &S::submissions, Unit::count,
                         "Submissions to the invalidation queue."),
                  metric("descriptors", &S::descriptors, Unit::count,
                         "Descriptors of these, without the wait of each."),
                  metric("full", &S::full, Unit::count, "Waits for room in the queue."),
                  metric("aborted", &S::aborted, Unit::count,
                         "Submissions that a device's time-out aborted."),
                  metric("refused", &S::refused, Unit::count,
                         "Submissions with a descriptor that hardware did not take.")};
  }
};

// What hardware of these parameters says of itself.
IommuAbilities abilities_of(const vtd::UnitParams& params);

// Submits as Linux' qi_submit_sync does: the queue's lock is held while descriptors are written and
// the doorbell is rung, and not while the status word is polled.
class HostIommu final : public KernelIommu {
 public:
  // `queue`: also what others submit by who hold no lock.
  HostIommu(Engine& engine, vtd::Unit& unit, InvalidationDriver& queue, PhysicalMemory& memory,
            const IommuAbilities& abilities, const HostIommuParams& params = {});

  const std::string& path() const override { return unit_.path(); }
  const IommuAbilities& abilities() const override { return abilities_; }
  TableMemory& memory() override { return memory_; }
  Errno submit(Thread& thread, std::span<const vtd::Descriptor> descriptors) override {
    return submit(thread, descriptors, {});
  }
  Errno submit_and_drain_page_requests(Thread& thread,
                                       std::span<const vtd::Descriptor> descriptors) override {
    return submit(thread, descriptors, {.page_drain = true});
  }

  vtd::Unit& unit() { return unit_; }
  InvalidationDriver& queue() { return queue_; }
  SpinLock& queue_lock() { return lock_; }

  HostIommuStats stats;
  Histogram latency;  // asked for to seen complete

 private:
  Errno submit(Thread& thread, std::span<const vtd::Descriptor> descriptors,
               InvalidationDriver::Ending ending);
  void wait_for_room(Thread& thread, std::size_t descriptors);

  vtd::Unit& unit_;
  InvalidationDriver& queue_;
  PhysicalMemory& memory_;
  IommuAbilities abilities_;
  HostIommuParams params_;
  SpinLock lock_;
};

}  // namespace viosim
