// The registers of a VT-d IOMMU, as software reads and writes them.
// SPDX-License-Identifier: Apache-2.0
//
// VT-d 3.x, chapter 11. What a write does, it does at once, but for the tail register, which takes
// the queue's `doorbell`. Registers that are not modelled read as zero, and writes to them and to
// read-only ones are ignored; so are reserved bits.
#pragma once

#include "models/iommu/vtd/unit.hpp"

#include <cstdint>
#include <map>

namespace viosim::vtd {

namespace reg {
inline constexpr std::uint32_t ver = 0x00;
inline constexpr std::uint32_t cap = 0x08;
inline constexpr std::uint32_t ecap = 0x10;
inline constexpr std::uint32_t gcmd = 0x18;
inline constexpr std::uint32_t gsts = 0x1c;
inline constexpr std::uint32_t rtaddr = 0x20;
inline constexpr std::uint32_t fsts = 0x34;
inline constexpr std::uint32_t fectl = 0x38;
inline constexpr std::uint32_t fedata = 0x3c;
inline constexpr std::uint32_t feaddr = 0x40;
inline constexpr std::uint32_t feuaddr = 0x44;
inline constexpr std::uint32_t iqh = 0x80;
inline constexpr std::uint32_t iqt = 0x88;
inline constexpr std::uint32_t iqa = 0x90;
inline constexpr std::uint32_t ics = 0x9c;
inline constexpr std::uint32_t iectl = 0xa0;
inline constexpr std::uint32_t iedata = 0xa4;
inline constexpr std::uint32_t ieaddr = 0xa8;
inline constexpr std::uint32_t ieuaddr = 0xac;
inline constexpr std::uint32_t iqer = 0xb0;
inline constexpr std::uint32_t pqh = 0xc0;
inline constexpr std::uint32_t pqt = 0xc8;
inline constexpr std::uint32_t pqa = 0xd0;
inline constexpr std::uint32_t prs = 0xdc;
inline constexpr std::uint32_t pectl = 0xe0;
inline constexpr std::uint32_t pedata = 0xe4;
inline constexpr std::uint32_t peaddr = 0xe8;
inline constexpr std::uint32_t peuaddr = 0xec;
inline constexpr std::uint32_t frcd = 0x400;  // the first one, as CAP.FRO says
}  // namespace reg

// GCMD and GSTS.
namespace global {
inline constexpr std::uint32_t translation = 1U << 31U;   // TE, TES
inline constexpr std::uint32_t root_pointer = 1U << 30U;  // SRTP, RTPS
inline constexpr std::uint32_t queue = 1U << 26U;         // QIE, QIES
}  // namespace global

namespace fault_status {
inline constexpr std::uint32_t overflow = 1U << 0U;          // PFO
inline constexpr std::uint32_t pending = 1U << 1U;           // PPF
inline constexpr std::uint32_t queue_error = 1U << 4U;       // IQE
inline constexpr std::uint32_t completion_error = 1U << 5U;  // ICE
inline constexpr std::uint32_t timeout_error = 1U << 6U;     // ITE
}  // namespace fault_status

namespace page_status {
inline constexpr std::uint32_t pending = 1U << 0U;   // PPR
inline constexpr std::uint32_t overflow = 1U << 1U;  // PRO
}  // namespace page_status

// FECTL, IECTL and PECTL.
namespace event_control {
inline constexpr std::uint32_t masked = 1U << 31U;   // IM
inline constexpr std::uint32_t pending = 1U << 30U;  // IP
}  // namespace event_control

class Registers {
 public:
  // The unit comes up as a driver leaves it: a root pointer is set, translation and queue are on.
  explicit Registers(Unit& unit);

  // Offsets are multiples of the width.
  std::uint32_t read32(std::uint32_t offset) const;
  std::uint64_t read64(std::uint32_t offset) const;
  void write32(std::uint32_t offset, std::uint32_t value);
  void write64(std::uint32_t offset, std::uint64_t value);

 private:
  std::uint64_t capabilities() const;
  std::uint64_t extended_capabilities() const;
  std::uint32_t global_status() const;
  std::uint32_t fault_status() const;
  std::uint64_t queue_address() const;
  std::uint64_t queue_errors() const;

  // The 64-bit register that holds an offset, of two halves where registers are of 32 bits.
  std::uint64_t word(std::uint32_t offset) const;
  void write_global_command(std::uint32_t value);
  void write_fault_status(std::uint32_t value);
  void write_tail(std::uint64_t value);
  void write_queue_address(std::uint64_t value);
  std::uint64_t fault_record(std::uint32_t offset) const;
  std::uint64_t page_request_address() const;
  bool of_fault_record(std::uint32_t offset) const;
  std::uint64_t event_word(std::uint32_t offset) const;
  void write_event(std::uint32_t offset, std::uint32_t value);
  void write_page_request(std::uint32_t offset, std::uint64_t value);
  unsigned entry_shift() const { return unit_.queue().entry_size() == Bytes(32) ? 5 : 4; }

  Unit& unit_;
  std::uint64_t root_address_;  // as written; takes effect with SRTP
  std::uint64_t tail_ = 0;      // as written
  bool root_pointer_set_ = true;
  // Where messages go and what they say, as written; a listener is told instead. By offset.
  std::map<std::uint32_t, std::uint32_t> messages_;
};

}  // namespace viosim::vtd
