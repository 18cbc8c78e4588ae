// What the caches of an IOMMU hold, and what finds it there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/address_space.hpp"
#include "models/iommu/page_table.hpp"
#include "models/iommu/request.hpp"
#include "models/iommu/rights.hpp"

#include <array>
#include <cstdint>

namespace viosim {

// Context cache.
struct ContextTag {
  Bdf source{};
  std::uint64_t hash() const { return source.value() * 0x9e3779b97f4a7c15U; }
  std::uint32_t set_number() const { return source.value(); }
  bool operator==(const ContextTag&) const = default;
};

// PASID cache.
struct PasidTag {
  Bdf source{};
  Pasid pasid;
  std::uint64_t hash() const {
    return (source.value() * 0xd6e8feb86659fd93U ^ pasid.value()) * 0x9e3779b97f4a7c15U;
  }
  std::uint32_t set_number() const { return pasid.value() + source.value(); }
  bool operator==(const PasidTag&) const = default;
};

// IOTLB, and caches of upper table entries: there the page is the reach of the entry.
struct PageTag {
  std::uint64_t page = 0;   // page number in pages of its level, and the level in the low 3 bits
  std::uint64_t space = 0;  // PASID 31:0, domain or requester id from 32 on, levels from 48 on
  static PageTag of(Iova iova, unsigned level, std::uint64_t space) {
    return {(iova.value() >> (12 + 9 * (level - 1))) << 3U | level, space};
  }
  unsigned level() const { return static_cast<unsigned>(page & 7U); }
  // In 4 KiB pages.
  std::uint64_t first_page() const { return (page >> 3U) << (9 * (level() - 1)); }
  std::uint64_t hash() const { return (space * 0xd6e8feb86659fd93U ^ page) * 0x9e3779b97f4a7c15U; }
  std::uint32_t set_number() const { return static_cast<std::uint32_t>(page >> 3U); }
  bool operator==(const PageTag&) const = default;
};

// What an invalidation may name: all of a domain, or of one PASID in it.
enum SpaceGroup : std::uint8_t { domain_group, space_group };
inline std::uint64_t group_of(DomainId domain) { return domain.value() * 0x9e3779b97f4a7c15U; }
inline std::uint64_t group_of(DomainId domain, Pasid pasid) {
  return (domain.value() * 0xd6e8feb86659fd93U ^ pasid.value()) * 0x9e3779b97f4a7c15U;
}

struct ProcessEntry : AddressSpace {
  ProcessEntry() = default;
  explicit ProcessEntry(const AddressSpace& space) : AddressSpace(space) {}
  std::array<std::uint64_t, 2> groups(const PasidTag& tag) const {
    return {group_of(domain), group_of(domain, tag.pasid)};
  }
};

struct IotlbValue {
  Hpa page;
  Pasid pasid;  // the effective one; the tag has the request's when entries are found by source
  DomainId domain;
  Rights rights;
  bool first_stage = false;  // with a first stage: its input addresses say nothing of the second's
  bool absent = false;       // caching mode: a page that was not there
  bool absent_in_first = false;  // and it was the first stage that did not have it
  bool silenced = false;         // absent: FPD of what leads to it
  std::uint8_t first_leaf = 0;   // level of the first stage's leaf; 0: there is none
  std::array<std::uint64_t, 2> groups(const PageTag& /*tag*/) const {
    return {group_of(domain), group_of(domain, pasid)};
  }
};

// Caching mode: a device or process entry that was not there, and what requests that need it are told.
struct AbsentEntry {
  FaultCode fault = FaultCode::none;
  bool silenced = false;  // FPD of what leads to it
};

}  // namespace viosim
