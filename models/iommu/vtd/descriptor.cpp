// The bit positions of each descriptor, in both directions.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor.hpp"

#include "core/base/error.hpp"

namespace viosim::vtd {
namespace {

constexpr std::uint64_t field_of(std::uint64_t word, unsigned low, unsigned bits) {
  return word >> low & ((std::uint64_t{1} << bits) - 1);
}
constexpr std::uint64_t page_bits = ~std::uint64_t{0xfff};

// The granularity field, bits 5:4, means something else in each type.
std::uint64_t encode_granularity(DescriptorType type, Granularity granularity) {
  switch (type) {
    case DescriptorType::context_cache:
      return granularity == Granularity::global ? 1U : granularity == Granularity::domain ? 2U : 3U;
    case DescriptorType::iotlb:
      return granularity == Granularity::global ? 1U : granularity == Granularity::domain ? 2U : 3U;
    case DescriptorType::interrupt_cache:
      return granularity == Granularity::global ? 0U : 1U;
    case DescriptorType::pasid_iotlb:
      return granularity == Granularity::pasid ? 2U : 3U;
    case DescriptorType::pasid_cache:
      return granularity == Granularity::domain ? 0U : granularity == Granularity::pasid ? 1U : 3U;
    default:
      return 0;
  }
}

Granularity decode_granularity(DescriptorType type, std::uint64_t low) {
  const std::uint64_t field = field_of(low, 4, 2);
  switch (type) {
    case DescriptorType::context_cache:
      return field == 1   ? Granularity::global
             : field == 2 ? Granularity::domain
                          : Granularity::device;
    case DescriptorType::iotlb:
      return field == 1   ? Granularity::global
             : field == 2 ? Granularity::domain
                          : Granularity::page;
    case DescriptorType::interrupt_cache:
      return (field & 1U) == 0 ? Granularity::global : Granularity::page;
    case DescriptorType::pasid_iotlb:
      return field == 2 ? Granularity::pasid : Granularity::page;
    case DescriptorType::pasid_cache:
      return field == 0   ? Granularity::domain
             : field == 1 ? Granularity::pasid
                          : Granularity::global;
    default:
      return Granularity::global;
  }
}

}  // namespace

bool Descriptor::decodable(std::uint64_t low) {
  const std::uint64_t type = field_of(low, 0, 4);
  const std::uint64_t granularity = field_of(low, 4, 2);
  switch (type) {
    case 1:
    case 2:
      return granularity != 0;
    case 3:
    case 4:
    case 5:
      return true;
    case 6:
      return granularity >= 2;
    case 7:
      return granularity != 2;
    default:
      return false;
  }
}

Descriptor Descriptor::decode(std::uint64_t low, std::uint64_t high) {
  ensure(decodable(low), "a descriptor that does not decode was decoded");
  Descriptor d;
  d.type = static_cast<DescriptorType>(field_of(low, 0, 4));
  d.granularity = decode_granularity(d.type, low);
  switch (d.type) {
    case DescriptorType::context_cache:
      d.domain = DomainId(static_cast<std::uint16_t>(field_of(low, 16, 16)));
      d.source = Bdf(static_cast<std::uint16_t>(field_of(low, 32, 16)));
      d.function_mask = static_cast<std::uint8_t>(field_of(low, 48, 2));
      break;
    case DescriptorType::iotlb:
      d.drain_writes = field_of(low, 6, 1) != 0;
      d.drain_reads = field_of(low, 7, 1) != 0;
      d.domain = DomainId(static_cast<std::uint16_t>(field_of(low, 16, 16)));
      break;
    case DescriptorType::device_tlb:
      d.source = Bdf(static_cast<std::uint16_t>(field_of(low, 32, 16)));
      d.address = Iova(high & page_bits);
      break;
    case DescriptorType::wait:
      d.status_write = field_of(low, 5, 1) != 0;
      d.status_data = static_cast<std::uint32_t>(field_of(low, 32, 32));
      d.status_address = Hpa(high & ~std::uint64_t{3});
      break;
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_cache:
      d.domain = DomainId(static_cast<std::uint16_t>(field_of(low, 16, 16)));
      d.pasid = Pasid(static_cast<std::uint32_t>(field_of(low, 32, 20)));
      break;
    case DescriptorType::interrupt_cache:
      break;
  }
  const bool pages = d.granularity == Granularity::page;
  if (pages && (d.type == DescriptorType::iotlb || d.type == DescriptorType::pasid_iotlb)) {
    d.address_mask = static_cast<std::uint8_t>(field_of(high, 0, 6));
    d.leaf_only = field_of(high, 6, 1) != 0;
    d.address = Iova(high & page_bits);
  }
  return d;
}

std::array<std::uint64_t, 2> Descriptor::encode() const {
  std::uint64_t low = static_cast<std::uint64_t>(type) | encode_granularity(type, granularity)
                                                             << 4U;
  std::uint64_t high = 0;
  const auto put = [&low](std::uint64_t value, unsigned at) { low |= value << at; };
  switch (type) {
    case DescriptorType::context_cache:
      put(domain.value(), 16);
      put(source.value(), 32);
      put(function_mask, 48);
      break;
    case DescriptorType::iotlb:
      put(drain_writes ? 1 : 0, 6);
      put(drain_reads ? 1 : 0, 7);
      put(domain.value(), 16);
      break;
    case DescriptorType::device_tlb:
      put(source.value(), 32);
      high = address.value() & page_bits;
      break;
    case DescriptorType::wait:
      put(status_write ? 1 : 0, 5);
      put(status_data, 32);
      high = status_address.value();
      break;
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_cache:
      put(domain.value(), 16);
      put(pasid.value(), 32);
      break;
    case DescriptorType::interrupt_cache:
      break;
  }
  const bool pages = granularity == Granularity::page;
  if (pages && (type == DescriptorType::iotlb || type == DescriptorType::pasid_iotlb)) {
    high = (address.value() & page_bits) | address_mask | (leaf_only ? 1U << 6U : 0U);
  }
  return {low, high};
}

namespace {

Invalidation::Scope scope_of(const Descriptor& descriptor) {
  using Scope = Invalidation::Scope;
  switch (descriptor.granularity) {
    case Granularity::global:
      return Scope::all;
    case Granularity::domain:
      return Scope::domain;
    case Granularity::device:
      return Scope::source;
    case Granularity::pasid:
      return Scope::space;
    case Granularity::page:
      return descriptor.type == DescriptorType::pasid_iotlb ? Scope::space_range
                                                            : Scope::domain_range;
  }
  return Scope::all;
}

}  // namespace

std::optional<Invalidation> Descriptor::invalidation() const {
  Invalidation order;
  switch (type) {
    case DescriptorType::context_cache:
      order.what = Invalidation::What::devices;
      break;
    case DescriptorType::pasid_cache:
      order.what = Invalidation::What::processes;
      break;
    case DescriptorType::iotlb:
    case DescriptorType::pasid_iotlb:
      order.what = Invalidation::What::translations;
      break;
    default:
      return {};
  }
  order.scope = scope_of(*this);
  order.domain = domain;
  order.pasid = pasid;
  order.source = source;
  order.ignored_source_bits = masked_function_bits();
  order.address = address;
  order.address_mask = address_mask;
  order.leaf_only = leaf_only;
  return order;
}

}  // namespace viosim::vtd
