// An emulated IOMMU, as the guest's kernel meets it: the same calls as on hardware, each of which
// leaves the guest.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/cpu/locks.hpp"
#include "models/iommu/vtd/invalidation_params.hpp"
#include "models/kernel/kernel_iommu.hpp"
#include "models/kernel/kernel_page_requests.hpp"
#include "models/pcie/ats.hpp"
#include "models/vmm/viommu.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace viosim {

struct GuestIommuParams {
  std::uint32_t entries = 256;
  Ps descriptor_write = 10ns;
  SpinLockParams lock{};
  Ps poll = 50ns;

  static constexpr auto fields() {
    using P = GuestIommuParams;
    return Fields{
        field("entries", &P::entries, "Descriptors in the invalidation queue.", "Linux uses 256")
            .power_of_two()
            .from(128)
            .to(vtd::most_wide_entries),
        field("descriptor_write", &P::descriptor_write,
              "Writing a descriptor into the invalidation queue, for software.", "assumed"),
        field("lock", &P::lock, "The queue's lock."),
        field("poll", &P::poll,
              "Between two looks at a status word; each comes with a read of the fault status, "
              "which leaves the guest.",
              "assumed")};
  }
  bool operator==(const GuestIommuParams&) const = default;
};

struct GuestIommuStats {
  std::uint64_t submissions = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;
  static constexpr auto fields() {
    using S = GuestIommuStats;
    return Fields{metric("submissions", &S::submissions, Unit::count,
                         "Submissions to the invalidation queue."),
                  metric("descriptors", &S::descriptors, Unit::count,
                         "Descriptors of these, without the wait of each."),
                  metric("refused", &S::refused, Unit::count,
                         "Submissions with a descriptor that the vIOMMU did not take."),
                  metric("lost", &S::lost, Unit::count,
                         "Submissions to a vIOMMU that is not there any more.")};
  }
};

// Submits as Linux' qi_submit_sync does: the queue's lock is held while the doorbell is rung, and that
// is where the hypervisor does all the work. So the whole guest invalidates one after the other; but
// where the vIOMMU has a queue of hardware's for flushes, whose lock is held for writing only.
class GuestIommu final : public KernelIommu {
 public:
  // `root`: of the guest's tables, in its memory. Sets the vIOMMU up; no time passes.
  GuestIommu(Viommu& viommu, Hpa root, const GuestIommuParams& params = {});
  GuestIommu(const GuestIommu&) = delete;
  GuestIommu& operator=(const GuestIommu&) = delete;

  const std::string& path() const override { return viommu_.path(); }
  const IommuAbilities& abilities() const override { return viommu_.abilities(); }
  TableMemory& memory() override { return viommu_.memory(); }
  // -ENODEV: the vIOMMU is gone.
  Errno submit(Thread& thread, std::span<const vtd::Descriptor> descriptors) override {
    return submit(thread, descriptors, false);
  }
  Errno submit_and_drain_page_requests(Thread& thread,
                                       std::span<const vtd::Descriptor> descriptors) override {
    return submit(thread, descriptors, true);
  }

  Viommu& viommu() { return viommu_; }
  SpinLock& queue_lock() { return lock_; }

  GuestIommuStats stats;
  Histogram latency;  // asked for to seen complete

 private:
  Errno submit(Thread& thread, std::span<const vtd::Descriptor> descriptors, bool drain);
  bool submit_directly(Thread& thread, std::span<const vtd::Descriptor> descriptors);
  Errno wait_for(Thread& thread, Hpa status);
  void write(const vtd::Descriptor& descriptor);
  void write_at(std::uint32_t entry, const vtd::Descriptor& descriptor);
  void replace_refused(Thread& thread);

  Viommu& viommu_;
  GuestIommuParams params_;
  SpinLock lock_;
  Hpa ring_;
  Hpa status_;  // a word for each entry of the ring
  std::uint32_t tail_ = 0;
};

// Its page request queue: registers whose access leaves the guest, entries in its memory.
class GuestPageRequests final : public KernelPageRequests {
 public:
  explicit GuestPageRequests(Viommu& viommu) : viommu_(viommu) {}

  std::uint32_t entries() const override { return viommu_.params().page_request_entries; }
  PageRequest entry(std::uint32_t at) const override;
  std::optional<std::uint32_t> head(Thread& thread) override {
    return place(thread, viommu_reg::pqh);
  }
  std::optional<std::uint32_t> tail(Thread& thread) override {
    return place(thread, viommu_reg::pqt);
  }
  void write_head(Thread& thread, std::uint32_t head) override;
  void clear_pending(Thread& thread) override;
  bool overflow(Thread& thread) override;
  void clear_overflow(Thread& thread) override;
  void listen(vtd::PageRequestListener& listener) override { viommu_.listen(listener); }

 private:
  std::optional<std::uint32_t> place(Thread& thread, std::uint32_t offset);
  Viommu& viommu_;
};

}  // namespace viosim
