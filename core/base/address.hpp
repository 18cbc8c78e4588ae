// Addresses and ids of the PCIe and IOMMU world. Distinct types over plain integers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/strong.hpp"
#include "core/base/units.hpp"

#include <cstdint>
#include <string>

namespace viosim {

template <class Tag>
class Address : public Strong<Tag, std::uint64_t> {
 public:
  using Strong<Tag, std::uint64_t>::Strong;

  constexpr Address page_base(Bytes page) const {
    return Address(this->value() & ~(page.count() - 1));
  }
  constexpr Bytes page_offset(Bytes page) const {
    return Bytes(this->value() & (page.count() - 1));
  }

  friend constexpr Address operator+(Address a, Bytes by) {
    return Address(a.value() + by.count());
  }
  friend constexpr Bytes operator-(Address to, Address from) {
    return Bytes(to.value() - from.value());
  }
};

using Iova =
    Address<struct IovaTag>;  // what a device puts on the bus: I/O virtual or process virtual
using Gpa = Address<struct GpaTag>;  // guest physical
using Hpa = Address<struct HpaTag>;  // host physical: where memory is

inline constexpr Bytes page_4k = 4_KiB;
inline constexpr Bytes page_2m = 2_MiB;
inline constexpr Bytes page_1g = 1_GiB;

using Pasid = Strong<struct PasidTag, std::uint32_t>;  // 20 bits on the wire
// What tags IOTLB entries: VT-d's DID has 16 bits; RISC-V's GSCID has, and may be absent.
using DomainId = Strong<struct DomainIdTag, std::uint32_t>;

inline constexpr std::uint32_t pasid_bits = 20;
inline constexpr Pasid pasid_max{(1U << pasid_bits) - 1};
// Requests without a PASID carry this. Not a PASID: those have 20 bits.
inline constexpr Pasid no_pasid{0xffffffff};

// PCIe requester id: bus 15:8, device 7:3, function 2:0.
class Bdf : public Strong<struct BdfTag, std::uint16_t> {
 public:
  using Strong::Strong;
  constexpr Bdf(unsigned bus, unsigned device, unsigned function)
      : Strong(static_cast<std::uint16_t>(bus << 8 | device << 3 | function)) {}
  constexpr unsigned bus() const { return value() >> 8U; }
  constexpr unsigned devfn() const { return value() & 0xffU; }
  std::string text() const;  // "01:00.0"
};

// `execute`: a read that asks for execute permission too (PCIe: Execute Requested).
enum class Access : std::uint8_t { read, write, execute };

}  // namespace viosim

template <class Tag>
struct std::hash<viosim::Address<Tag>> : std::hash<viosim::Strong<Tag, std::uint64_t>> {};
template <>
struct std::hash<viosim::Bdf> : std::hash<viosim::Strong<struct viosim::BdfTag, std::uint16_t>> {};
