// What leads a device's requests to its address space, in the tables of each architecture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/host_kernel.hpp"
#include "models/iommu/riscv/tables.hpp"
#include "models/iommu/vtd/tables.hpp"

#include <cstdint>

namespace viosim {

// The format that an IOMMU walks.
TableFormat format_of(bool of_riscv, bool first_level);

// What the cached translations of a space are tagged with, given a number of its own. RISC-V: that is
// the GSCID if there is a second stage, the PSCID if there is a first.
void tag(HostSpace& space, std::uint32_t number, bool of_riscv);

// What a device with a TLB of its own may send.
struct AtsAllowed {
  bool translations = false;
  bool page_requests = false;
};

// Writes the table entries that lead requests of `source` to the space. `processes`: of spaces with
// a PASID, their process_table().
void attach(vtd::Tables& tables, Bdf source, const HostSpace& space, AtsAllowed ats);
void attach(riscv::Tables& tables, Bdf source, const HostSpace& space, riscv::Root processes);

// A process directory that leads requests with the space's PASID to it; in the memory of the guest
// if there is one.
riscv::Root process_table(TableMemory& memory, riscv::ProcessMode mode, const HostSpace& space);

}  // namespace viosim
