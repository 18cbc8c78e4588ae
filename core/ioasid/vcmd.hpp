// The virtual command backend: a guest gets its ids from the host.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/backend.hpp"
#include "ioasid/types.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace ioasid {

// What is written to VCMD_REG and read from VCRSP_REG since VT-d 3.2: VCMD_CMD_* and VCMD_VRSP_* of
// drivers/iommu/intel/pasid.h of Linux 6.1.
namespace vcmd {
inline constexpr std::uint64_t alloc_command = 1;
constexpr std::uint64_t free_command(Ioasid id) { return std::uint64_t{id} << 16 | 2; }
inline constexpr std::uint64_t no_pasid = 16 << 1;  // response: the host has none to give
constexpr std::uint64_t response_with(Ioasid id) { return std::uint64_t{id} << 16; }
constexpr std::uint32_t status_of(std::uint64_t response) { return (response >> 1) & 0x7f; }
constexpr Ioasid result_of(std::uint64_t response) { return (response >> 16) & 0xfffff; }
Error error_of(std::uint64_t response);  // -ENOSPC for status 16, -ENODEV for other failures
}  // namespace vcmd

// Where the answer to one command arrives: the response register, as IOMMU_WAIT_OP looks at it in
// vcmd_alloc_pasid and vcmd_free_pasid of drivers/iommu/intel/pasid.c. The members are added.
// Thread-safe.
class VcmdCompletion {
 public:
  // Called once, by any thread, also from inside submit(). Any value is taken: what it says is
  // error_of()'s to tell.
  void complete(std::uint64_t response);
  bool ready() const;
  std::uint64_t response() const;  // once ready; before, it throws std::bad_optional_access
  void sleep_until_ready() const;

 private:
  // Not an atomic to wait on: the waiter may destroy it as soon as it is ready, and must not do so
  // while the other thread is still waking it.
  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  std::optional<std::uint64_t> response_;
};

// The virtual command registers of one vIOMMU, as a guest's driver uses them; an interface of this
// library. Of one space at most one command is outstanding: its lock sees to it. A channel that
// serves several spaces, which only they lock, may be called by several threads at once and must
// queue their commands itself. It must live until the last allocator that has it as pdata has left
// every space, or these are gone; under linux_6_1 a departed head's stays in use until its group
// goes.
class VcmdChannel {
 public:
  virtual ~VcmdChannel() = default;
  // dmar_writeq(.. DMAR_VCMD_REG ..). Writes the command register and returns; the host answers now
  // or later. It must answer, with a failure if need be: a guest whose vIOMMU was pulled would wait
  // for ever. What it throws leaves through the call that wanted an id or freed one; the host must
  // not answer that command then.
  virtual void submit(std::uint64_t command, VcmdCompletion& completion) = 0;
  // How the caller waits; returns once completion.ready(). A simulator suspends its actor here. The
  // space is locked meanwhile, and other threads that want it spin and yield. It may throw, with
  // the same outcome and under the same condition: the completion is gone then, so the host must
  // not answer any more. An id that the host had chosen stays with the host. To return too early is
  // not allowed: std::bad_optional_access.
  virtual void wait(VcmdCompletion& completion) { completion.sleep_until_ready(); }
};

// One driver for all vIOMMUs of a guest: register one AllocatorOps for each, with this object as
// both helpers and its VcmdChannel* as pdata, and they share one group. The virtual command carries
// no range: a range outside [1, 0x100000] is refused without asking the host, and inside it the
// host picks what it likes.
class VcmdBackend : public Backend {
 public:
  static constexpr Range accepted{1, 0x100000};
  // Added: what to register for one vIOMMU; it and the channel must live as long as they are
  // registered.
  AllocatorOps ops(VcmdChannel& channel) { return {this, this, &channel}; }

  // intel_vcmd_ioasid_alloc and _free of drivers/iommu/intel/iommu.c, without the two defects of
  // that _free (README.md, E1 and E2). invalid_ioasid: the range is refused, the host has no id, or
  // it failed. Thread-safe as far as the channels are.
  Ioasid alloc(Range range, void* channel) override;
  void free(Ioasid id, void* channel) override;  // a refusal of the host is not reported
};

}  // namespace ioasid
