// Checks of the user API's structures, and what VT-d is told for them.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/nesting_api.hpp"

#include "models/iommu/request.hpp"

#include <algorithm>
#include <bit>

namespace viosim {
namespace {

constexpr std::uint32_t version_1 = 1;

std::uint8_t mask_of(std::uint64_t pages) {
  return static_cast<std::uint8_t>(std::bit_width(pages - 1));
}

vtd::Descriptor whole_pasid(const InvalidationTarget& target, Pasid pasid) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::pasid_iotlb;
  flush.granularity = vtd::Granularity::pasid;
  flush.domain = target.domain;
  flush.pasid = pasid;
  return flush;
}

vtd::Descriptor device_flush(const InvalidationTarget& target, Pasid pasid, Iova address,
                             std::uint8_t mask) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::pasid_device_tlb;
  flush.source = target.function;
  flush.pasid = pasid;
  flush.address = address;
  flush.address_mask = mask;
  return flush;
}

}  // namespace

Errno BindGpasid::check() const {
  constexpr std::uint64_t known_vendor_flags = 0x3f;
  const bool sound = argsz >= size && version == version_1 && format == format_vtd &&
                     (flags & ~gpasid_valid) == 0 && (vendor_flags & ~known_vendor_flags) == 0;
  return sound ? Errno::ok : Errno::einval;
}

vtd::PasidEntry BindGpasid::entry(const vtd::PasidEntry& second_stage) const {
  vtd::PasidEntry nested = second_stage;
  nested.present = true;
  nested.type = vtd::PasidEntry::Type::nested;
  nested.first_level = Hpa(root.value());
  nested.first_level_mode = addr_width == 57 ? 1 : 0;
  nested.supervisor_requests = (vendor_flags & supervisor) != 0;
  nested.extended_accessed = (vendor_flags & extended_accessed) != 0;
  return nested;
}

Errno CacheInvalidate::check() const {
  constexpr std::uint8_t known_caches = iotlb | device_iotlb | pasid_cache;
  constexpr std::uint32_t known_flags = pasid_valid | archid_valid | leaf;
  const bool sound = argsz >= size && version == version_1 && caches != 0 &&
                     (caches & ~known_caches) == 0 && granularity <= Granularity::address &&
                     (flags & ~known_flags) == 0;
  return sound ? Errno::ok : Errno::einval;
}

// The PASID cache belongs to the host. A flush of the IOTLB implies one of the device's TLB; that
// one alone is known by address only.
Result<std::vector<vtd::Descriptor>> encode(const CacheInvalidate& order,
                                            const InvalidationTarget& target) {
  using Granularity = CacheInvalidate::Granularity;
  const bool iotlb = (order.caches & CacheInvalidate::iotlb) != 0;
  const bool device = (order.caches & CacheInvalidate::device_iotlb) != 0;
  if (order.check() != Errno::ok || (order.caches & CacheInvalidate::pasid_cache) != 0 ||
      order.granularity == Granularity::domain ||
      (order.flags & CacheInvalidate::pasid_valid) == 0) {
    return Errno::einval;
  }
  const Pasid pasid(static_cast<std::uint32_t>(order.pasid));
  std::vector<vtd::Descriptor> flushes;
  if (order.granularity == Granularity::pasid) {
    if (device) return Errno::einval;
    flushes.push_back(whole_pasid(target, pasid));
    if (target.device_tlb)
      flushes.push_back(device_flush(target, pasid, Iova(), vtd::Descriptor::every_address));
    return flushes;
  }
  const std::uint64_t pages = order.granule_size / page_4k.count() * order.granules;
  if (pages == 0) return Errno::einval;
  const std::uint8_t mask = mask_of(pages);
  const std::uint64_t low_bits = (page_4k.count() << mask) - 1;
  if (target.refuse_misaligned && (order.address.value() & low_bits) != 0) return Errno::erange;
  const Iova aligned(order.address.value() & ~low_bits);
  if (iotlb) {
    vtd::Descriptor flush = whole_pasid(target, pasid);
    if (mask <= target.max_address_mask) {
      flush.granularity = vtd::Granularity::page;
      flush.address = aligned;
      flush.address_mask = mask;
      flush.leaf_only = (order.flags & CacheInvalidate::leaf) != 0;
    }
    flushes.push_back(flush);
  }
  if (device || (iotlb && target.device_tlb))
    flushes.push_back(device_flush(target, pasid, aligned, mask));
  return flushes;
}

Errno PageResponseOrder::check() const {
  const bool sound = argsz >= size && version == version_1 && (flags & ~pasid_valid) == 0 &&
                     code <= 2 && group < 512;
  return sound ? Errno::ok : Errno::einval;
}

PageResponseCode PageResponseOrder::response_code() const {
  switch (code) {
    case 0:
      return PageResponseCode::success;
    case 1:
      return PageResponseCode::invalid;
    default:
      return PageResponseCode::failure;
  }
}

vtd::Descriptor descriptor_of(const PageResponse& response) {
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::page_response;
  descriptor.source = response.source;
  descriptor.has_pasid = response.pasid != no_pasid;
  if (descriptor.has_pasid) descriptor.pasid = response.pasid;
  descriptor.last = true;
  descriptor.group = response.group;
  descriptor.code = response.code;
  descriptor.has_private_data = response.private_data.has_value();
  if (descriptor.has_private_data) descriptor.private_data = *response.private_data;
  return descriptor;
}

}  // namespace viosim
