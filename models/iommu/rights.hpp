// What a translation permits, and what a request needs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"

#include <cstdint>

namespace viosim {

// A set of {user, supervisor} x {read, write, execute}. User and supervisor are the privilege of a
// request (PCIe: the Privileged Mode Requested bit of its PASID prefix; clear without a prefix).
class Rights {
 public:
  constexpr Rights() = default;
  static constexpr Rights all() { return Rights(0b111'111); }
  // The same for user and supervisor.
  static constexpr Rights both(bool read, bool write, bool execute) {
    const unsigned bits = (read ? 1U : 0U) | (write ? 2U : 0U) | (execute ? 4U : 0U);
    return Rights(bits | bits << 3U);
  }
  static constexpr Rights user(bool read, bool write, bool execute) {
    return both(read, write, execute) & Rights(0b000'111);
  }
  static constexpr Rights supervisor(bool read, bool write, bool execute) {
    return both(read, write, execute) & Rights(0b111'000);
  }
  // What an access needs. An execute request needs nothing else: where reading must be allowed,
  // too (VT-d), execution is no right without it.
  static constexpr Rights needed(Access access, bool privileged) {
    const unsigned bits = access == Access::write ? 2U : access == Access::execute ? 4U : 1U;
    return Rights(privileged ? bits << 3U : bits);
  }

  static constexpr Rights of_bits(unsigned bits) { return Rights(bits & 0b111'111U); }

  constexpr bool contain(Rights needed) const { return (needed.bits_ & ~bits_) == 0; }
  constexpr bool empty() const { return bits_ == 0; }
  // What a supervisor may do, for both: rights as a requester sees them whose requests all are
  // supervisor requests, marked as such or not.
  constexpr Rights of_supervisor() const {
    const unsigned supervisor = bits_ >> 3U;
    return Rights(supervisor | supervisor << 3U);
  }
  constexpr unsigned bits() const { return bits_; }  // read, write, execute: user, then supervisor
  constexpr bool can_read(bool privileged) const { return has(0, privileged); }
  constexpr bool can_write(bool privileged) const { return has(1, privileged); }
  constexpr bool can_execute(bool privileged) const { return has(2, privileged); }

  friend constexpr Rights operator&(Rights a, Rights b) { return Rights(a.bits_ & b.bits_); }
  friend constexpr Rights operator|(Rights a, Rights b) { return Rights(a.bits_ | b.bits_); }
  bool operator==(const Rights&) const = default;

 private:
  constexpr explicit Rights(unsigned bits) : bits_(static_cast<std::uint8_t>(bits)) {}
  constexpr bool has(unsigned bit, bool privileged) const {
    return (bits_ >> (privileged ? bit + 3U : bit) & 1U) != 0;
  }
  std::uint8_t bits_ = 0;
};

}  // namespace viosim
