// A guest's driver of virtual commands: gets PASIDs from the host, through the registers of a vIOMMU.
// SPDX-License-Identifier: Apache-2.0
//
// As Linux does it: the command is written and the response polled under a spinlock, with interrupts
// off, and the lock of the guest's id space is held around that. A vIOMMU that does not answer in
// time stops the guest.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "ioasid/backend.hpp"
#include "ioasid/space.hpp"
#include "models/cpu/locks.hpp"
#include "models/vmm/viommu.hpp"

#include <cstdint>
#include <string>

namespace viosim {

struct VirtualCommandDriverParams {
  VcmdLayout layout = VcmdLayout::current;
  Ps poll_limit = 10s;
  Ps lock_handover = 100ns;
  bool keep_ids_with_data = false;
  bool truncate_freed_ids = false;
  bool ignore_capability = false;
  std::uint8_t allocate_opcode = 1;

  static constexpr auto fields() {
    using P = VirtualCommandDriverParams;
    return Fields{
        field("layout", &P::layout,
              "Layout of the virtual command registers that the guest's kernel knows."),
        field("poll_limit", &P::poll_limit,
              "How long a response is polled for; then the guest panics.", "Linux: 10 s"),
        field("lock_handover", &P::lock_handover,
              "From the release of the registers' lock to the next holder's going on.", "assumed"),
        field("keep_ids_with_data", &P::keep_ids_with_data,
              "An error of Linux 6.1: an id that still has private data is not freed in the host, "
              "though the guest forgets it."),
        field("truncate_freed_ids", &P::truncate_freed_ids,
              "An error of Linux 6.1: of an id that is freed in the host only the low bits arrive, "
              "16 of them in the current layout."),
        field(
            "ignore_capability", &P::ignore_capability,
            "An error: it does not look whether PASIDs are offered (VCCAP.PAS). What it writes is "
            "ignored then, and it takes the response that is there for the one that it waits for."),
        field("allocate_opcode", &P::allocate_opcode,
              "The opcode that it allocates with. Another one than 1 is an error: of those that "
              "nobody knows it is told status 1.")};
  }
  bool operator==(const VirtualCommandDriverParams&) const = default;
};

struct VirtualCommandDriverStats {
  std::uint64_t allocated = 0;
  std::uint64_t out_of_range = 0;
  std::uint64_t no_space = 0;
  std::uint64_t no_device = 0;
  std::uint64_t freed = 0;
  std::uint64_t free_failed = 0;
  std::uint64_t kept = 0;
  std::uint64_t polls = 0;
  static constexpr auto fields() {
    using S = VirtualCommandDriverStats;
    return Fields{
        metric("allocated", &S::allocated, Unit::count, "PASIDs got from the host."),
        metric("out_of_range", &S::out_of_range, Unit::count,
               "Allocations refused without asking the host."),
        metric("no_space", &S::no_space, Unit::count, "Refused by the host: -ENOSPC."),
        metric("no_device", &S::no_device, Unit::count, "Failed otherwise: -ENODEV."),
        metric("freed", &S::freed, Unit::count, "PASIDs given back to the host."),
        metric("free_failed", &S::free_failed, Unit::count,
               "The host did not take one back; the guest has forgotten it all the same."),
        metric("kept", &S::kept, Unit::count,
               "Never given back, because their private data was still set."),
        metric("polls", &S::polls, Unit::count, "Reads of the response register.")};
  }
};

// The registers of one vIOMMU: what an allocator of the guest's space is registered with.
class VirtualCommandChannel final : public EventHandler {
 public:
  // `number`: the guest's place in the order of events.
  VirtualCommandChannel(Viommu& viommu, const VirtualCommandDriverParams& params,
                        std::uint32_t number);
  VirtualCommandChannel(const VirtualCommandChannel&) = delete;
  VirtualCommandChannel& operator=(const VirtualCommandChannel&) = delete;

  // Whether it offers PASIDs (VCCAP.PAS), by a read of the register.
  bool offers_pasids(Thread& thread);
  VcmdResponse exchange(Thread& thread, const VcmdCommand& command, bool truncated = false);

  Viommu& viommu() { return viommu_; }
  const VcmdFormat& format() const { return format_; }
  SpinLock& lock() { return lock_; }
  std::uint64_t polls() const { return polls_; }

  void fire(std::uint64_t what) override;

 private:
  std::uint64_t poll(Thread& thread);
  void skip_polls(Thread& thread, Instant deadline);

  Viommu& viommu_;
  VirtualCommandDriverParams params_;
  VcmdFormat format_;
  std::uint32_t number_;
  SpinLock lock_;
  std::uint64_t polls_ = 0;
  std::uint64_t waits_ = 0;  // which one the timer is for
  Instant deadline_;
};

// The two helpers of all vIOMMUs that share one allocator: they are one group in the guest's space.
class VirtualCommandDriver final : public ioasid::Backend {
 public:
  static constexpr ioasid::Range accepted{1, 0x100000};

  // `space`: the guest's, which it is registered in.
  VirtualCommandDriver(Engine& engine, const VirtualCommandDriverParams& params,
                       const ioasid::Space& space)
      : engine_(engine), params_(params), space_(space) {}

  ioasid::AllocatorOps ops(VirtualCommandChannel& channel) { return {this, this, &channel}; }

  ioasid::Ioasid alloc(ioasid::Range range, void* channel) override;
  void free(ioasid::Ioasid id, void* channel) override;

  VirtualCommandDriverStats stats;

 private:
  Thread& thread() const;
  ioasid::Error error_of(const VcmdFormat& format, std::uint8_t status) const;

  Engine& engine_;
  VirtualCommandDriverParams params_;
  const ioasid::Space& space_;
};

}  // namespace viosim
