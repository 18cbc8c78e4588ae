// Fault causes of RISC-V IOMMUs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/request.hpp"

#include <cstdint>
#include <string_view>

namespace viosim::riscv {

// RISC-V IOMMU 1.0, "Fault record CAUSE field encodings". Those that end in access_fault or
// corruption, 4, 6, 261 to 264, 270 to 273 do not happen here: all of memory can be read, and there
// are neither MSI page tables nor sizes of requests.
enum class Cause : std::uint16_t {
  none = 0,
  instruction_access_fault = 1,
  read_misaligned = 4,
  read_access_fault = 5,
  write_misaligned = 6,
  write_access_fault = 7,
  instruction_page_fault = 12,
  read_page_fault = 13,
  write_page_fault = 15,
  instruction_guest_page_fault = 20,
  read_guest_page_fault = 21,
  write_guest_page_fault = 23,
  all_disallowed = 256,
  device_entry_access_fault = 257,
  device_entry_not_valid = 258,
  device_entry_misconfigured = 259,
  type_disallowed = 260,
  msi_entry_access_fault = 261,
  msi_entry_not_valid = 262,
  msi_entry_misconfigured = 263,
  interrupt_file_access_fault = 264,
  process_entry_access_fault = 265,
  process_entry_not_valid = 266,
  process_entry_misconfigured = 267,
  device_entry_corruption = 268,
  process_entry_corruption = 269,
  msi_entry_corruption = 270,
  interrupt_file_corruption = 271,
  internal_error = 272,
  msi_write_access_fault = 273,
  page_table_corruption = 274
};

constexpr FaultCode code_of(Cause cause) { return static_cast<FaultCode>(cause); }
constexpr Cause cause_of(FaultCode code) { return static_cast<Cause>(code); }

std::string_view describe(Cause cause);  // empty: there is no such cause

}  // namespace viosim::riscv
