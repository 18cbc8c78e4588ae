// The virtual command registers of VT-d bit for bit, in both layouts that specifications and kernels
// have used.
// SPDX-License-Identifier: Apache-2.0
//
//            capability       command                       response
//   current  0xE30: PAS 0     0xE00: opcode 7:0, PASID 35:16  0xE10: IP 0, status 7:1, PASID 35:16
//   old      0xE00: PAS 0     0xE10: opcode 7:0, PASID 27:8   0xE20: IP 0, status 2:1, PASID 27:8
//
// Current: VT-d 3.2 and later, Linux 6.1. Old: Linux 5.6 to 5.14 and the emulation of 2020. There is
// no operand for a range.
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"

#include <array>
#include <cstdint>

namespace viosim {

enum class VcmdLayout : std::uint8_t { current, old };

constexpr auto choices(VcmdLayout) {
  return std::array{Choice{VcmdLayout::current, "current", "as VT-d 3.2 and later, and Linux 6.1"},
                    Choice{VcmdLayout::old, "old", "as Linux 5.6 to 5.14"}};
}

enum class VcmdOpcode : std::uint8_t { null = 0, allocate = 1, free = 2 };

struct VcmdCommand {
  std::uint8_t opcode = 0;  // as written: it may be one that nobody knows
  Pasid pasid{0};
  bool operator==(const VcmdCommand&) const = default;
};

struct VcmdResponse {
  bool in_progress = false;
  std::uint8_t status = 0;
  Pasid pasid{0};
  bool operator==(const VcmdResponse&) const = default;
};

class VcmdFormat {
 public:
  explicit constexpr VcmdFormat(VcmdLayout layout) : old_(layout == VcmdLayout::old) {}

  constexpr std::uint32_t capability_at() const { return old_ ? 0xe00 : 0xe30; }
  constexpr std::uint32_t command_at() const { return old_ ? 0xe10 : 0xe00; }
  constexpr std::uint32_t response_at() const { return old_ ? 0xe20 : 0xe10; }

  static constexpr std::uint64_t capability(bool pasids) { return pasids ? 1 : 0; }  // PAS

  constexpr std::uint64_t encode(const VcmdCommand& command) const {
    return command.opcode | std::uint64_t{command.pasid.value() & most} << command_shift();
  }
  // What Linux 6.1 writes: it shifts 32 bits, and what leaves them at the top is lost.
  constexpr std::uint64_t encode_truncated(const VcmdCommand& command) const {
    return command.opcode | static_cast<std::uint32_t>(command.pasid.value() << command_shift());
  }
  constexpr VcmdCommand decode_command(std::uint64_t bits) const {
    return {static_cast<std::uint8_t>(bits & 0xffU),
            Pasid(static_cast<std::uint32_t>(bits >> command_shift() & most))};
  }

  constexpr std::uint64_t encode(const VcmdResponse& response) const {
    return (response.in_progress ? 1U : 0U) | (response.status & most_status()) << 1U |
           std::uint64_t{response.pasid.value() & most} << command_shift();
  }
  constexpr VcmdResponse decode_response(std::uint64_t bits) const {
    return {(bits & 1U) != 0, static_cast<std::uint8_t>(bits >> 1U & most_status()),
            Pasid(static_cast<std::uint32_t>(bits >> command_shift() & most))};
  }

  // Status codes.
  static constexpr std::uint8_t success = 0;
  static constexpr std::uint8_t undefined = 1;
  constexpr std::uint8_t no_pasid() const { return old_ ? 2 : 16; }   // there is none to give
  constexpr std::uint8_t bad_pasid() const { return old_ ? 2 : 16; }  // it is not this guest's

 private:
  static constexpr std::uint64_t most = pasid_max.value();
  constexpr unsigned command_shift() const { return old_ ? 8 : 16; }
  constexpr std::uint64_t most_status() const { return old_ ? 3 : 0x7f; }
  bool old_;
};

}  // namespace viosim
