// Invalidation descriptors of VT-d, encoded and decoded bit for bit (VT-d 3.x, 6.5.2).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/invalidation.hpp"
#include "models/pcie/ats.hpp"

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
  pasid_cache = 7,
  pasid_device_tlb = 8,
  page_response = 9
};

enum class Granularity : std::uint8_t { global, domain, page, device, pasid };

// As they lie in memory. Entries of 16 bytes end after two words.
using DescriptorBits = std::array<std::uint64_t, 4>;

// Why hardware does not take a descriptor, or the tail register: the IQEI field of IQER.
enum class QueueError : std::uint8_t {
  none = 0,
  tail_beyond_ring = 1,
  unknown_type = 3,
  reserved_field = 4,
  entry_width = 5,  // entries of 16 bytes in scalable mode
  tail_misaligned = 6
};

// One descriptor; which members count is said by the type.
struct Descriptor {
  DescriptorType type = DescriptorType::wait;
  Granularity granularity = Granularity::global;
  DomainId domain;
  Bdf source{};  // of a device: whom it is about, or goes to
  std::uint8_t function_mask =
      0;  // FM, device granularity: as many of the function's bits, 0 to 3,
          // are masked, from bit 2 downwards
  Pasid pasid;
  // Pages: 2^address_mask of 4 KiB, naturally aligned. Device TLBs: the same, in the size code of
  // ATS; every_address is all of them.
  Iova address;
  std::uint8_t address_mask = 0;
  static constexpr std::uint8_t every_address = 52;
  bool leaf_only = false;  // IH: non-leaf entries may stay cached
  bool drain_reads = false;
  bool drain_writes = false;

  // Device TLBs.
  Bdf physical_function{};       // PFSID: whose queue depth it counts against; 0: the source's own
  std::uint8_t queue_depth = 0;  // as the function's capability says; 0 means 32
  bool all_pasids = false;       // G

  // Interrupt entry cache, page granularity: 2^interrupt_mask entries from interrupt_index on.
  std::uint16_t interrupt_index = 0;
  std::uint8_t interrupt_mask = 0;

  // Wait.
  bool interrupt = false;     // IF: tell software by an interrupt
  bool status_write = false;  // SW: write `status_data` to `status_address`
  bool fence = false;         // FN: what follows is begun only when this is complete
  bool page_drain = false;    // PD: page requests and responses on their way are through, too
  std::uint32_t status_data = 0;
  Hpa status_address;

  // Page group response.
  bool has_pasid = false;
  bool has_private_data = false;
  bool last = false;  // LPIG
  std::uint16_t group = 0;
  PageResponseCode code = PageResponseCode::success;
  std::array<std::uint64_t, 2> private_data{};

  // Whether the type is known and the granularity not reserved, which the first word says.
  static bool decodable(std::uint64_t low);
  // Why the queue stops at this descriptor (IQE). `max_address_mask`: MAMV.
  static QueueError error(const DescriptorBits& bits, std::uint8_t max_address_mask);
  // decodable() holds.
  static Descriptor decode(const DescriptorBits& bits);
  static Descriptor decode(std::uint64_t low, std::uint64_t high) {
    return decode(DescriptorBits{low, high, 0, 0});
  }
  DescriptorBits encode() const;

  // Device granularity: which bits of the requester id are not compared.
  std::uint16_t masked_function_bits() const {
    constexpr std::array<std::uint16_t, 4> masked = {0, 4, 6, 7};
    return masked[function_mask & 3U];
  }
  bool reaches(Bdf requester) const {
    return ((requester.value() ^ source.value()) & ~masked_function_bits() & 0xffff) == 0;
  }
  bool of_device_tlb() const {
    return type == DescriptorType::device_tlb || type == DescriptorType::pasid_device_tlb;
  }
  // What an IOMMU is to forget by it; nothing for descriptors that are about something else.
  std::optional<Invalidation> invalidation() const;
  // The message to a function, of a descriptor of its device TLB.
  AtsInvalidation device_tlb_message(std::uint8_t tag) const;
  // The message to a function, of a page group response.
  PageResponse response() const;
  bool operator==(const Descriptor&) const = default;
};

}  // namespace viosim::vtd
