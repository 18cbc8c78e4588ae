// An IOMMU as its kernel's driver meets it: the host's hardware, or what a hypervisor emulates for a
// guest. The driver (iommu_driver.hpp) is the same on both.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/cpu/thread.hpp"
#include "models/host/table_memory.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/kernel/errno.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace viosim {

// What the capability registers say (VT-d 3.x, 11.4.2 and 11.4.3), as far as software here decides
// by it. Hot-added units are held against those that run.
struct IommuAbilities {
  bool caching_mode = false;           // CM: entries that are not present may be cached
  bool emulated = false;               // by a hypervisor, which flushes functions' TLBs by itself
  bool nesting = true;                 // NEST
  bool page_requests = true;           // PRS
  bool supervisor_requests = true;     // SRS
  bool five_levels = true;             // FL5LP
  bool pass_through = true;            // PT
  bool device_tlbs = true;             // DT
  bool virtual_commands = false;       // VCS and VCCAP.PAS
  bool write_buffer = false;           // RWBF: writes to tables reach it only by a flush
  std::uint8_t address_widths = 6;     // SAGAW: bit 1 is 39 bits, bit 2 48, bit 3 57
  std::uint8_t address_width = 48;     // MGAW
  std::uint8_t domain_bits = 16;       // ND
  std::uint8_t pasid_bits = 20;        // PSS + 1
  std::uint8_t max_address_mask = 18;  // MAMV
  std::uint8_t large_pages = 3;        // SSLPS: bit 0 is 2 MiB, bit 1 1 GiB
  bool operator==(const IommuAbilities&) const = default;
};

// Whether a kernel takes a unit that is plugged in while others run, which can all do what `running`
// says. By Linux 6.1's cap_audit_hotplug() and intel_iommu_add(). -EFAULT: it is narrower. -ENXIO: it
// cannot pass requests through, or has not the largest pages in use.
Errno may_hot_add(const IommuAbilities& running, const IommuAbilities& added);

class KernelIommu {
 public:
  virtual const std::string& path() const = 0;
  virtual const IommuAbilities& abilities() const = 0;
  // Where its tables lie; of a guest, guest physical.
  virtual TableMemory& memory() = 0;

  // Writes the descriptors and a wait descriptor of its own into the invalidation queue, rings the
  // doorbell, and returns when software sees that all of it is done. -EAGAIN: a device did not
  // answer in time (ITE); what was submitted is to be submitted again. -EINVAL: hardware did not
  // take a descriptor (IQE).
  virtual Errno submit(Thread& thread, std::span<const vtd::Descriptor> descriptors) = 0;
  // The same with a wait descriptor that also waits for page requests and responses on their way
  // (PD).
  virtual Errno submit_and_drain_page_requests(Thread& thread,
                                               std::span<const vtd::Descriptor> descriptors) = 0;

 protected:
  ~KernelIommu() = default;
};

}  // namespace viosim
