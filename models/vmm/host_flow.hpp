// What a hypervisor asks of its host for its guest's PASIDs: the cut between emulation and the way in
// which the host's kernel is asked, of which there are two.
// SPDX-License-Identifier: Apache-2.0
//
// An implementation is the hypervisor's code for one kernel interface: it knows which calls an operation
// takes, and pays for them. Devices are the numbers by which the implementation knows them, PASIDs the
// guest's own.
#pragma once

#include "core/base/address.hpp"
#include "models/host/guest_faults.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "models/kernel/errno.hpp"
#include "models/pcie/ats.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace viosim {

class GuestFaultListener;
class Thread;

// A first-level table of the guest: what requests of the device with this PASID are to be translated by.
struct GuestSpace {
  std::size_t device = 0;
  Pasid pasid{0};
  vtd::PasidEntry entry;  // the guest's
};

// What the guest has announced that it changed in such a table.
struct GuestFlush {
  enum class What : std::uint8_t { pasid, pages, pages_of_device_tlb };
  std::size_t device = 0;
  Pasid pasid{0};
  What what = What::pasid;
  Iova address{};  // 2^address_mask pages of 4 KiB, aligned
  std::uint8_t address_mask = 0;
  bool leaf_only = false;
  bool operator==(const GuestFlush&) const = default;
};

struct GuestAnswer {
  std::size_t device = 0;
  Pasid pasid = no_pasid;
  std::uint16_t group = 0;
  PageResponseCode code = PageResponseCode::success;
};

// For threads of the hypervisor's process that hold its emulation lock, unless said otherwise.
class HostFlow {
 public:
  virtual ~HostFlow() = default;

  // Whether guests get their PASIDs from the host, by virtual commands. Otherwise they choose them.
  virtual bool gives_pasids() const { return false; }
  // Of those that it gives. -EOPNOTSUPP: it gives none.
  virtual Result<Pasid> alloc_pasid(Thread&) { return Errno::eopnotsupp; }
  virtual Errno free_pasid(Thread&, Pasid) { return Errno::eopnotsupp; }

  // Those that it has given and that are not back. For a thread of the host.
  virtual std::vector<Pasid> given_pasids(Thread&) const { return {}; }
  // For a guest that comes from elsewhere and has it already. -EEXIST: somebody else has it; -ENOSPC.
  virtual Errno take_pasid(Thread&, Pasid) { return Errno::eopnotsupp; }

  // Errors are the host's; nothing has changed then.
  virtual Errno bind(Thread& thread, const GuestSpace& space) = 0;
  // In place of what is bound. After an error nothing is bound any more.
  virtual Errno replace(Thread& thread, const GuestSpace& space) = 0;
  // Whether the host still had it bound or not.
  virtual void unbind(Thread& thread, std::size_t device, Pasid pasid) = 0;
  // In this order; done when it returns.
  virtual void invalidate(Thread& thread, std::span<const GuestFlush> flushes) = 0;
  // The same by a queue of hardware's that the guest has: no call of the hypervisor's. For threads of
  // the guest, which hold no lock.
  virtual void invalidate_directly(Thread& thread, std::span<const GuestFlush> flushes) = 0;

  // Who is told that there are page requests to be read. Before the run.
  virtual void listen(GuestFaultListener& listener) = 0;
  virtual std::vector<ForwardedFault> read_faults(Thread& thread) = 0;
  // -EINVAL: no such group waits.
  virtual Errno respond(Thread& thread, const GuestAnswer& answer) = 0;
  // Page requests that wait for the guest's answer, read or not; and the host's answer to all of them.
  virtual std::size_t waiting_faults() const = 0;
  virtual void answer_for_guest(Thread& thread) = 0;

  // Whether the guest may write its numbers into the device itself: they are the host's.
  virtual bool same_numbers(std::size_t device) const = 0;
  // The host's PASID behind the guest's; and of how many PASIDs there is anything in the host, though
  // the guest did not get them there. For anybody.
  virtual std::optional<Pasid> host_of(std::size_t device, Pasid pasid) const = 0;
  // Whether it is bound to this device for the guest, and stays so: then its requests may carry it.
  virtual bool bound(std::size_t device, Pasid pasid) const = 0;
  virtual std::size_t mapped() const = 0;

  // The machine is gone. For threads of the host.
  virtual void close(Thread& thread) = 0;
};

}  // namespace viosim
