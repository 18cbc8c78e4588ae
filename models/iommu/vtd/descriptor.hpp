// Invalidation descriptors of VT-d, encoded and decoded bit for bit (VT-d 3.x, 6.5.2).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/invalidation.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace viosim::vtd {

enum class DescriptorType : std::uint8_t {
  context_cache = 1,
  iotlb = 2,
  device_tlb = 3,
  interrupt_cache = 4,
  wait = 5,
  pasid_iotlb = 6,
  pasid_cache = 7
};

enum class Granularity : std::uint8_t { global, domain, page, device, pasid };

// One descriptor; which members count is said by the type.
struct Descriptor {
  DescriptorType type = DescriptorType::wait;
  Granularity granularity = Granularity::global;
  DomainId domain;
  Bdf source{};
  std::uint8_t function_mask =
      0;  // FM, device granularity: as many of the function's bits, 0 to 3,
          // are masked, from bit 2 downwards
  Pasid pasid;
  Iova address;                   // page granularity: the first address
  std::uint8_t address_mask = 0;  // page granularity: 2^address_mask pages, naturally aligned
  bool leaf_only = false;         // IH: non-leaf entries may stay cached
  bool drain_reads = false;
  bool drain_writes = false;
  bool status_write = false;  // wait: write `status_data` to `status_address` when done
  std::uint32_t status_data = 0;
  Hpa status_address;

  // type is 0 or unknown, or the granularity is reserved: the queue stops there (IQE).
  static bool decodable(std::uint64_t low);
  // Device granularity: which bits of the requester id are not compared.
  std::uint16_t masked_function_bits() const {
    constexpr std::array<std::uint16_t, 4> masked = {0, 4, 6, 7};
    return masked[function_mask & 3U];
  }
  bool reaches(Bdf requester) const {
    return ((requester.value() ^ source.value()) & ~masked_function_bits() & 0xffff) == 0;
  }
  static Descriptor decode(std::uint64_t low, std::uint64_t high);
  std::array<std::uint64_t, 2> encode() const;
  // What an IOMMU is to forget by it; nothing for descriptors that are about something else.
  std::optional<Invalidation> invalidation() const;
  bool operator==(const Descriptor&) const = default;
};

}  // namespace viosim::vtd
