// RISC-V's structures in memory: device contexts, process contexts and the directories that lead to
// them, bit for bit.
// SPDX-License-Identifier: Apache-2.0
//
// RISC-V IOMMU architecture 1.0, chapter 2. Where the specification leaves something to the
// capabilities register: ATS, AMO_HWAD and all widths are there; T2GPA, END, QOSID, Sv32, Svpbmt and
// MSI page tables are not.
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "models/iommu/architecture.hpp"

#include <array>
#include <cstdint>

namespace viosim::riscv {

// ddtp.iommu_mode, in its own code.
enum class DirectoryMode : std::uint8_t { off, bare, one_level, two_level, three_level };

constexpr auto choices(DirectoryMode) {
  using M = DirectoryMode;
  return std::array{Choice{M::off, "off", "all requests are refused"},
                    Choice{M::bare, "bare", "requests pass unchanged"},
                    Choice{M::one_level, "1lvl", "requester ids of 7 bits, or 6 (extended)"},
                    Choice{M::two_level, "2lvl", "requester ids of 16 bits, or 15 (extended)"},
                    Choice{M::three_level, "3lvl", "requester ids of 24 bits"}};
}
constexpr unsigned levels(DirectoryMode mode) {
  return mode < DirectoryMode::one_level ? 0U : static_cast<unsigned>(mode) - 1U;
}

enum class ContextFormat : std::uint8_t { base, extended };

constexpr auto choices(ContextFormat) {
  return std::array{
      Choice{ContextFormat::base, "base", "32 bytes"},
      Choice{ContextFormat::extended, "extended", "64 bytes, as IOMMUs with MSI page tables have"}};
}
constexpr Bytes context_size(ContextFormat format) {
  return Bytes(format == ContextFormat::base ? 32 : 64);
}

// pdtp.MODE, in its own code.
enum class ProcessMode : std::uint8_t { bare, pd8, pd17, pd20 };

constexpr auto choices(ProcessMode) {
  using M = ProcessMode;
  return std::array{Choice{M::bare, "bare", "processes have no first stage"},
                    Choice{M::pd8, "pd8", "one level: process ids of 8 bits"},
                    Choice{M::pd17, "pd17", "two levels: process ids of 17 bits"},
                    Choice{M::pd20, "pd20", "three levels: process ids of 20 bits"}};
}
constexpr unsigned levels(ProcessMode mode) { return static_cast<unsigned>(mode); }
// The first process id beyond.
constexpr std::uint32_t limit(ProcessMode mode) {
  return mode == ProcessMode::pd8 ? 1U << 8U : mode == ProcessMode::pd17 ? 1U << 17U : 1U << 20U;
}

// Which bits of a device id index the directory at a level, 0 being that of the contexts.
constexpr std::uint32_t device_index(std::uint32_t device, unsigned level, ContextFormat format) {
  const unsigned narrow = format == ContextFormat::extended ? 1 : 0;
  if (level == 0) return device & ((128U >> narrow) - 1);
  const unsigned low = level == 1 ? 7 - narrow : 16 - narrow;
  return device >> low & 511U;
}
// The first device id beyond what a directory reaches.
constexpr std::uint32_t device_limit(DirectoryMode mode, ContextFormat format) {
  const unsigned narrow = format == ContextFormat::extended ? 1 : 0;
  if (mode == DirectoryMode::one_level) return 1U << (7U - narrow);
  if (mode == DirectoryMode::two_level) return 1U << (16U - narrow);
  return 1U << 24U;
}
constexpr std::uint32_t process_index(Pasid process, unsigned level) {
  if (level == 0) return process.value() & 255U;
  return level == 1 ? process.value() >> 8U & 511U : process.value() >> 17U & 7U;
}

// A page table as iosatp, iohgatp and fsc name it: MODE 63:60 (0 none, 8 Sv39, 9 Sv48, 10 Sv57; the
// second stage likewise, x4), number of the root's frame 43:0.
struct Root {
  std::uint8_t mode = 0;
  Hpa table;
  bool valid() const { return mode == 0 || (mode >= 8 && mode <= 10); }
  std::uint8_t levels() const { return mode == 0 ? std::uint8_t{0} : std::uint8_t(mode - 5); }
  static Root of(Hpa table, unsigned levels) {
    return {static_cast<std::uint8_t>(levels + 5), table};
  }
  bool operator==(const Root&) const = default;
};

// Entries of directories above the last level: V 0, PPN 53:10, all others reserved.
struct DirectoryEntry {
  Hpa table;
  bool valid = false;
  bool reserved = false;  // reserved bits are set
  static DirectoryEntry decode(std::uint64_t word);
  std::uint64_t encode() const;
};

// tc: V 0, EN_ATS 1, EN_PRI 2, T2GPA 3, DTF 4, PDTV 5, PRPR 6, GADE 7, SADE 8, DPE 9, SBE 10, SXL 11,
// custom 31:24; iohgatp: GSCID 59:44; ta: PSCID 31:12; fsc: iosatp, or with PDTV pdtp (MODE 63:60,
// PPN 43:0). Extended format: msiptp and its address mask and pattern, which must be off.
struct DeviceContext {
  bool valid = false;
  bool ats = false;              // EN_ATS: translation and translated requests are allowed
  bool pri = false;              // EN_PRI: page requests are
  bool guest_addresses = false;  // T2GPA: not supported
  bool fault_disable = false;    // DTF
  bool process_table = false;    // PDTV: `first` is a process directory
  bool response_pasid = false;   // PRPR: page request group responses carry the PASID
  bool second_updates = false;   // GADE
  bool first_updates = false;    // SADE
  bool default_process = false;  // DPE: requests without a process id have process 0
  bool reserved = false;         // bits are set that are reserved, or not supported
  Root second;                   // iohgatp
  std::uint16_t gscid = 0;       // of its guest, where there is a second stage
  std::uint32_t pscid = 0;       // of its first stage
  Root first;                    // fsc

  static DeviceContext decode(Words words, ContextFormat format);
  std::array<std::uint64_t, 4> encode() const;
  // The rules of "Device-context configuration checks" in the order of the specification.
  bool misconfigured() const;
  DeviceEntry config() const;
  bool operator==(const DeviceContext&) const = default;
};

// ta: V 0, ENS 1, SUM 2, PSCID 31:12; fsc: iosatp.
struct ProcessContext {
  bool valid = false;
  bool supervisor = false;       // ENS: supervisor requests are allowed
  bool supervisor_user = false;  // SUM: and may use user pages
  bool reserved = false;         // reserved bits are set
  std::uint32_t pscid = 0;
  Root first;

  static ProcessContext decode(Words words);
  std::array<std::uint64_t, 2> encode() const;
  bool misconfigured() const { return reserved || !first.valid(); }
  AddressSpace space(const DeviceEntry& device) const;
  bool operator==(const ProcessContext&) const = default;
};

// Tags of cached translations: the guest, or the host where there is no second stage; and the
// address space, where there is a first stage.
inline constexpr DomainId host_domain{0};
constexpr DomainId guest_domain(std::uint32_t gscid) { return DomainId(0x1'0000U | gscid); }
inline constexpr Pasid no_first_stage = no_pasid;

}  // namespace viosim::riscv
