// What the trace holds of an invalidation descriptor.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "models/trace_point.hpp"

namespace viosim::vtd {

// Whether it names a PASID.
inline bool names_pasid(const Descriptor& descriptor) {
  switch (descriptor.type) {
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_device_tlb:
      return true;
    case DescriptorType::pasid_cache:
      return descriptor.granularity == Granularity::pasid;
    case DescriptorType::page_response:
      return descriptor.has_pasid;
    default:
      return false;
  }
}

inline TracePoint::What told(EventKind kind, const Descriptor& descriptor, Instant at) {
  const DescriptorBits bits = descriptor.encode();
  return {.kind = kind,
          .time = at,
          .pasid = names_pasid(descriptor) ? descriptor.pasid : no_pasid,
          .address = bits[1],
          .value = bits[0],
          .code = static_cast<std::uint16_t>(descriptor.type)};
}

}  // namespace viosim::vtd
