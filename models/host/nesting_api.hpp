// What user space passes to the host's kernel for nested address spaces: bind, unbind, cache
// invalidation, page response.
// SPDX-License-Identifier: Apache-2.0
//
// The structures of the user API of 2019-2021 (include/uapi/linux/iommu.h of Linux 5.7 to 5.19),
// with their checks that need no more than the structure.
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "models/kernel/errno.hpp"
#include "models/pcie/ats.hpp"

#include <cstdint>
#include <vector>

namespace viosim {

struct BindGpasid {
  static constexpr std::uint32_t size = 72;  // bytes, with the vendor's part
  static constexpr std::uint32_t format_vtd = 1;
  static constexpr std::uint64_t gpasid_valid = 1;  // flags
  // Flags of the vendor's part.
  static constexpr std::uint64_t supervisor = 1U << 0U;         // SRE
  static constexpr std::uint64_t extended_accessed = 1U << 1U;  // EAFE
  static constexpr std::uint64_t page_cache_disable = 1U << 2U;
  static constexpr std::uint64_t page_write_through = 1U << 3U;
  static constexpr std::uint64_t memory_types = 1U << 4U;  // EMTE
  static constexpr std::uint64_t cache_disable = 1U << 5U;

  std::uint32_t argsz = size;
  std::uint32_t version = 1;
  std::uint32_t format = format_vtd;
  std::uint32_t addr_width = 48;
  std::uint64_t flags = 0;
  Gpa root;
  std::uint64_t hpasid = 0;
  std::uint64_t gpasid = 0;
  std::uint64_t vendor_flags = 0;

  // What one sees without looking anything up: size, version, reserved bits, format.
  Errno check() const;
  // The nested entry of the host, over this second stage.
  vtd::PasidEntry entry(const vtd::PasidEntry& second_stage) const;
};

struct CacheInvalidate {
  static constexpr std::uint32_t size = 56;
  static constexpr std::uint8_t iotlb = 1;  // caches
  static constexpr std::uint8_t device_iotlb = 2;
  static constexpr std::uint8_t pasid_cache = 4;
  enum class Granularity : std::uint8_t { domain = 0, pasid = 1, address = 2 };
  static constexpr std::uint32_t pasid_valid = 1;  // flags
  static constexpr std::uint32_t archid_valid = 2;
  static constexpr std::uint32_t leaf = 4;

  std::uint32_t argsz = size;
  std::uint32_t version = 1;
  std::uint8_t caches = iotlb;
  Granularity granularity = Granularity::pasid;
  std::uint32_t flags = pasid_valid;
  std::uint64_t pasid = 0;
  Iova address;
  std::uint64_t granule_size = 4096;
  std::uint64_t granules = 1;

  Errno check() const;
};

// Where an invalidation goes.
struct InvalidationTarget {
  Bdf function{};
  DomainId domain;
  bool device_tlb = false;             // it has one: flushes of the IOTLB imply its own
  std::uint8_t max_address_mask = 18;  // MAMV
  // Linux answered -ERANGE to an address that is not aligned to the size; later it took it, as
  // hardware does, without the low bits.
  bool refuse_misaligned = false;
};

// The descriptors that VT-d is given for it. -EINVAL: what VT-d's driver rejects.
Result<std::vector<vtd::Descriptor>> encode(const CacheInvalidate& order,
                                            const InvalidationTarget& target);

struct PageResponseOrder {
  static constexpr std::uint32_t size = 24;
  static constexpr std::uint32_t pasid_valid = 1;  // flags
  std::uint32_t argsz = size;
  std::uint32_t version = 1;
  std::uint32_t flags = pasid_valid;
  std::uint32_t pasid = 0;
  std::uint32_t group = 0;
  std::uint32_t code = 0;  // 0 success, 1 invalid, 2 failure

  Errno check() const;
  PageResponseCode response_code() const;
};

vtd::Descriptor descriptor_of(const PageResponse& response);

}  // namespace viosim
