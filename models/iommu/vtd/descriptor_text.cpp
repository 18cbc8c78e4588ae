// Descriptors as a person would name them.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor_text.hpp"

#include <fmt/format.h>

namespace viosim::vtd {
namespace {

std::string pages(const Descriptor& descriptor) {
  if (descriptor.address_mask >= Descriptor::every_address) return "every address";
  return fmt::format("{} pages from {:#x}", std::uint64_t{1} << descriptor.address_mask,
                     descriptor.address.value());
}

std::string scope(const Descriptor& descriptor) {
  std::string domain = fmt::format("domain {}", descriptor.domain.value());
  switch (descriptor.granularity) {
    case Granularity::global:
      return "everybody";
    case Granularity::domain:
      return domain;
    case Granularity::device:
      return fmt::format("{} of function {}", domain, descriptor.source.text());
    case Granularity::pasid:
      return fmt::format("{}, PASID {}", domain, descriptor.pasid.value());
    case Granularity::page:
      break;
  }
  const bool with_pasid = descriptor.type == DescriptorType::pasid_iotlb;
  return fmt::format(
      "{}, {}{}", domain,
      with_pasid ? fmt::format("PASID {}, ", descriptor.pasid.value()) : std::string(),
      pages(descriptor));
}

std::string wait(const Descriptor& descriptor) {
  std::string text;
  if (descriptor.status_write)
    text += fmt::format(", writes {:#x} to {:#x}", descriptor.status_data,
                        descriptor.status_address.value());
  if (descriptor.interrupt) text += ", interrupts";
  if (descriptor.page_drain) text += ", drains page requests";
  return text;
}

}  // namespace

std::string name_of(DescriptorType type) {
  switch (type) {
    case DescriptorType::context_cache:
      return "context-cache";
    case DescriptorType::iotlb:
      return "iotlb";
    case DescriptorType::device_tlb:
      return "devtlb";
    case DescriptorType::interrupt_cache:
      return "interrupt-cache";
    case DescriptorType::wait:
      return "wait";
    case DescriptorType::pasid_iotlb:
      return "pasid-iotlb";
    case DescriptorType::pasid_cache:
      return "pasid-cache";
    case DescriptorType::pasid_device_tlb:
      return "pasid-devtlb";
    case DescriptorType::page_response:
      return "page-response";
  }
  return fmt::format("type {}", static_cast<unsigned>(type));
}

std::string text_of(const Descriptor& descriptor) {
  std::string name = name_of(descriptor.type);
  switch (descriptor.type) {
    case DescriptorType::context_cache:
    case DescriptorType::iotlb:
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_cache:
      return fmt::format("{} of {}", name, scope(descriptor));
    case DescriptorType::device_tlb:
      return fmt::format("{} of function {}, {}", name, descriptor.source.text(),
                         pages(descriptor));
    case DescriptorType::pasid_device_tlb:
      return fmt::format(
          "{} of function {}, {}, {}", name, descriptor.source.text(),
          descriptor.all_pasids ? "all PASIDs" : fmt::format("PASID {}", descriptor.pasid.value()),
          pages(descriptor));
    case DescriptorType::page_response:
      return fmt::format("{} to group {} of function {}, code {}", name, descriptor.group,
                         descriptor.source.text(), static_cast<unsigned>(descriptor.code));
    case DescriptorType::wait:
      return name + wait(descriptor);
    case DescriptorType::interrupt_cache:
      break;
  }
  return name;
}

std::string text_of(std::uint64_t low, std::uint64_t high) {
  if (Descriptor::decodable(low)) return text_of(Descriptor::decode(low, high));
  return fmt::format("descriptor {:#018x} {:#018x}", high, low);
}

}  // namespace viosim::vtd
