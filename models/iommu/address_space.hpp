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
  Pasid tag{0};  // with the domain, what cached translations are tagged with
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

  bool nested() const { return first_levels != 0 && second_levels != 0; }
  bool allows(Access access, bool privileged) const {
    return (!privileged || supervisor_requests) && (access != Access::execute || execute_requests);
  }
  bool operator==(const AddressSpace&) const = default;
};

// What a device's (VT-d: context, RISC-V: device context) entry says.
struct DeviceEntry {
  // Of all requests of the device. With a process table: of those that find the table, which is
  // at space.first_root.
  AddressSpace space;
  Pasid default_pasid{0};       // of requests without one, with a process table
  std::uint8_t table_size = 0;  // of the process table, in the architecture's own code
  bool process_table : 1 = false;
  bool default_privileged : 1 = false;    // they are supervisor requests
  bool pasids : 1 = false;                // requests with a PASID are allowed
  bool translation_requests : 1 = false;  // ATS, and translated requests
  bool page_requests : 1 = false;         // PRI
  bool operator==(const DeviceEntry&) const = default;
};

}  // namespace viosim
