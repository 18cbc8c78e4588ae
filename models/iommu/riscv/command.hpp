// Commands of RISC-V's command queue, encoded and decoded bit for bit (RISC-V IOMMU 1.0, 3.1).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/invalidation.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace viosim::riscv {

// Opcode in the low 4 bits, function above.
enum class CommandType : std::uint8_t {
  iotinval_vma = 0x01,   // first-stage translations
  iotinval_gvma = 0x11,  // second-stage translations
  iofence_c = 0x02,
  iodir_inval_ddt = 0x03,
  iodir_inval_pdt = 0x13,
  ats_inval = 0x04,  // an invalidation request to a device
  ats_prgr = 0x14    // a page request group response to a device
};

// One command; which members count is said by the type, and by the flags that name them.
struct Command {
  CommandType type = CommandType::iofence_c;
  bool address_valid = false;  // AV: `address`; of a fence: `data` is written there when it is done
  bool pscid_valid = false;    // PSCV
  bool guest_valid = false;    // GV: of the guest `gscid`; otherwise of the host
  bool drain_reads = false;    // PR
  bool drain_writes = false;   // PW
  bool device_valid = false;   // DV: of `device`; otherwise of all
  bool process_valid = false;  // PV: the message carries `process`
  bool segment_valid = false;  // DSV: `segment`
  std::uint32_t pscid = 0;
  std::uint16_t gscid = 0;
  std::uint32_t device = 0;   // DID, 24 bits; RID, 16 bits
  std::uint32_t process = 0;  // PID
  std::uint8_t segment = 0;
  std::uint32_t data = 0;
  std::uint64_t address = 0;  // a page's first byte; a fence's: a multiple of 4
  std::uint64_t payload = 0;  // of ATS commands

  // Neither a reserved encoding nor a reserved bit: others stop the queue (cmd_ill). The extensions
  // for ranges (S) and for entries that are no leaves (NL) are not there.
  static bool decodable(std::uint64_t low, std::uint64_t high);
  static Command decode(std::uint64_t low, std::uint64_t high);
  std::array<std::uint64_t, 2> encode() const;

  // What an IOMMU is to forget by it, in this order; nothing for commands about something else.
  std::vector<Invalidation> invalidations() const;
  // IOTINVAL for an order of that kind about translations.
  static Command for_translations(const Invalidation& order);

  bool operator==(const Command&) const = default;
};

}  // namespace viosim::riscv
