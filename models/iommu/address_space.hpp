// What an IOMMU knows about a requester once it has read its tables, whatever their architecture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/page_table.hpp"

#include <cstdint>

namespace viosim {

// Where requests of one (requester, PASID) are translated: through a first stage, a second stage,
// both (nested: the first stage gives guest physical addresses), or not at all.
struct AddressSpace {
  Hpa first_root;  // nested: a guest physical address
  Hpa second_root;
  Pasid tag{0};  // with the domain, what cached translations are tagged with; any 32 bits
  DomainId domain;
  std::uint8_t first_levels = 0;   // 0: no first stage
  std::uint8_t second_levels = 0;  // 0: no second stage
  TableFormat first_format = TableFormat::first_level;
  TableFormat second_format = TableFormat::second_level;
  bool pass_through : 1 = false;
  bool fault_disable : 1 = false;  // FPD: faults are not reported
  bool first_updates : 1 = false;  // accessed and dirty bits are written by hardware
  bool second_updates : 1 = false;
  bool supervisor_requests : 1 = false;  // SRE: privileged requests are allowed
  bool execute_requests : 1 = false;     // ERE: execute requests are allowed
  EntryRules rules;

  // Requests pass unchanged.
  static AddressSpace as_it_is() {
    AddressSpace space;
    space.pass_through = true;
    space.supervisor_requests = true;
    space.execute_requests = true;
    return space;
  }

  bool nested() const { return first_levels != 0 && second_levels != 0; }
  bool allows(Access access, bool privileged) const {
    return (!privileged || supervisor_requests) && (access != Access::execute || execute_requests);
  }
  // The requests that are allowed, whatever the page tables say.
  Rights allowed() const {
    const Rights user = Rights::user(true, true, execute_requests);
    return supervisor_requests ? user | Rights::supervisor(true, true, execute_requests) : user;
  }
  bool operator==(const AddressSpace&) const = default;
};

// What a device's (VT-d: context, RISC-V: device context) entry says.
struct DeviceEntry {
  // Of requests that need no process table. A process table is at its first_root, the first stage
  // of such requests being none; if there is a second stage, that is a guest physical address.
  AddressSpace space;
  Pasid default_pasid{0};       // of requests without one, with a default process
  std::uint8_t table_size = 0;  // of the process table, in the architecture's own code
  bool process_table : 1 = false;
  bool default_process : 1 = false;       // requests without a PASID use the process table, too
  bool default_privileged : 1 = false;    // they are supervisor requests
  bool pasids : 1 = false;                // requests with a PASID are allowed
  bool translation_requests : 1 = false;  // ATS, and translated requests
  bool page_requests : 1 = false;         // PRI

  // Whether the address space of such requests is in the process table.
  bool by_process(Pasid pasid) const {
    return process_table && (default_process || pasid != no_pasid);
  }
  bool operator==(const DeviceEntry&) const = default;
};

}  // namespace viosim
