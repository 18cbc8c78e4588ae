// How an injection calls a descriptor.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/injection.hpp"
#include "models/iommu/vtd/descriptor_trace.hpp"

#include <optional>

namespace viosim::vtd {

// Nothing: waits, whose status write is a message of its own, and what nobody disturbs.
inline std::optional<Message> message_of(DescriptorType type) {
  switch (type) {
    case DescriptorType::context_cache:
      return Message::context_cache;
    case DescriptorType::iotlb:
      return Message::iotlb;
    case DescriptorType::device_tlb:
      return Message::device_tlb;
    case DescriptorType::pasid_iotlb:
      return Message::pasid_iotlb;
    case DescriptorType::pasid_cache:
      return Message::pasid_cache;
    case DescriptorType::pasid_device_tlb:
      return Message::pasid_device_tlb;
    case DescriptorType::page_response:
      return Message::page_response;
    default:
      return {};
  }
}

inline Ruling ruling_on(const InjectionPort& port, const Descriptor& descriptor) {
  const auto message = message_of(descriptor.type);
  if (!port.on() || !message) return {};
  return port.ask(*message, names_pasid(descriptor) ? descriptor.pasid : no_pasid);
}

// Of a range the first page; the same, where it names none.
inline Descriptor truncated(Descriptor descriptor) {
  if (descriptor.of_device_tlb() || descriptor.granularity == Granularity::page)
    descriptor.address_mask = 0;
  return descriptor;
}

}  // namespace viosim::vtd
