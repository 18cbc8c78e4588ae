// What the fault causes mean.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/faults.hpp"

namespace viosim::riscv {

std::string_view describe(Cause cause) {
  switch (cause) {
    case Cause::none:
      return "no fault";
    case Cause::instruction_access_fault:
      return "no memory to execute";
    case Cause::read_misaligned:
    case Cause::write_misaligned:
      return "misaligned address";
    case Cause::read_access_fault:
      return "no memory to read";
    case Cause::write_access_fault:
      return "no memory to write";
    case Cause::instruction_page_fault:
      return "first stage does not allow to execute";
    case Cause::read_page_fault:
      return "first stage does not allow to read";
    case Cause::write_page_fault:
      return "first stage does not allow to write";
    case Cause::instruction_guest_page_fault:
      return "second stage does not allow to execute";
    case Cause::read_guest_page_fault:
      return "second stage does not allow to read";
    case Cause::write_guest_page_fault:
      return "second stage does not allow to write";
    case Cause::all_disallowed:
      return "the IOMMU is off";
    case Cause::device_entry_access_fault:
      return "no memory at a device directory entry";
    case Cause::device_entry_not_valid:
      return "device directory entry not valid";
    case Cause::device_entry_misconfigured:
      return "device directory entry misconfigured";
    case Cause::type_disallowed:
      return "kind of request not allowed";
    case Cause::msi_entry_access_fault:
      return "no memory at an MSI page table entry";
    case Cause::msi_entry_not_valid:
      return "MSI page table entry not valid";
    case Cause::msi_entry_misconfigured:
      return "MSI page table entry misconfigured";
    case Cause::interrupt_file_access_fault:
      return "no memory at an interrupt file";
    case Cause::process_entry_access_fault:
      return "no memory at a process directory entry";
    case Cause::process_entry_not_valid:
      return "process directory entry not valid";
    case Cause::process_entry_misconfigured:
      return "process directory entry misconfigured";
    case Cause::device_entry_corruption:
    case Cause::process_entry_corruption:
    case Cause::msi_entry_corruption:
    case Cause::interrupt_file_corruption:
    case Cause::page_table_corruption:
      return "corrupted memory";
    case Cause::internal_error:
      return "internal error of the IOMMU";
    case Cause::msi_write_access_fault:
      return "no memory where the IOMMU's interrupt goes";
  }
  return {};
}

}  // namespace viosim::riscv
