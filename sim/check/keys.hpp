// By what the checks remember things: numbers of kernels, functions, and their entries.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace viosim::check {

// A PASID of one kernel: of a host, or of a guest.
struct Number {
  std::uint32_t machine = 0;
  std::uint32_t pasid = 0;
  auto operator<=>(const Number&) const = default;
  constexpr std::uint64_t bits() const { return std::uint64_t{machine} << 32U | pasid; }
};

// A function of a machine, or of a unit; or a domain of a unit.
struct OfUnit {
  std::uint32_t unit = 0;
  std::uint16_t source = 0;
  auto operator<=>(const OfUnit&) const = default;
  constexpr std::uint64_t bits() const { return std::uint64_t{unit} << 16U | source; }
};

// Its entry for a PASID.
struct EntryPlace {
  std::uint32_t unit = 0;  // or machine
  std::uint16_t source = 0;
  std::uint32_t pasid = 0;
  auto operator<=>(const EntryPlace&) const = default;
  constexpr std::uint64_t bits() const {
    return (std::uint64_t{unit} << 36U) ^ (std::uint64_t{source} << 20U) ^ pasid;
  }
};

}  // namespace viosim::check
