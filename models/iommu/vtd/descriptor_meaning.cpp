// What descriptors order, and which of them hardware does not take.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/request.hpp"
#include "models/iommu/vtd/descriptor.hpp"

namespace viosim::vtd {
namespace {

// The bits of a descriptor that have a meaning; the others are reserved. In order of the type.
// Those that another granularity ignores are not reserved.
constexpr std::array<DescriptorBits, 10> meaningful = {{
    {},
    {0x0003'ffff'ffff'003fU, 0, 0, 0},
    {0x0000'0000'ffff'00ffU, 0xffff'ffff'ffff'f07fU, 0, 0},
    {0xfff0'ffff'001f'f00fU, 0xffff'ffff'ffff'f001U, 0, 0},
    {0x0000'ffff'f800'001fU, 0, 0, 0},
    {0xffff'ffff'0000'00ffU, 0xffff'ffff'ffff'fffcU, 0, 0},
    {0x000f'ffff'ffff'003fU, 0xffff'ffff'ffff'f07fU, 0, 0},
    {0x000f'ffff'ffff'003fU, 0, 0, 0},
    {0xffff'ffff'ffff'f1ffU, 0xffff'ffff'ffff'f801U, 0, 0},
    {0x000f'ffff'ffff'f03fU, 0x0000'0000'0000'0ffcU, ~std::uint64_t{0}, ~std::uint64_t{0}},
}};

bool has_reserved_bits(const DescriptorBits& bits) {
  const DescriptorBits& allowed = meaningful[bits[0] & 15U];
  for (std::size_t word = 0; word < bits.size(); ++word) {
    if ((bits[word] & ~allowed[word]) != 0) return true;
  }
  return false;
}

// A size code without a zero: S is set, and all bits of the page number are.
bool has_no_size(const DescriptorBits& bits, DescriptorType type) {
  const unsigned coded = type == DescriptorType::device_tlb ? 0 : 11;
  return (bits[1] >> coded & 1U) != 0 && bits[1] >> 12U == (std::uint64_t{1} << 52U) - 1;
}

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

QueueError Descriptor::error(const DescriptorBits& bits, std::uint8_t max_address_mask) {
  const std::uint64_t number = bits[0] & 15U;
  if (number < 1 || number > 9) return QueueError::unknown_type;
  if (!decodable(bits[0]) || has_reserved_bits(bits)) return QueueError::reserved_field;
  const Descriptor d = decode(bits);
  if (d.of_device_tlb()) {
    return has_no_size(bits, d.type) ? QueueError::reserved_field : QueueError::none;
  }
  return d.address_mask > max_address_mask ? QueueError::reserved_field : QueueError::none;
}

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

AtsInvalidation Descriptor::device_tlb_message(std::uint8_t tag) const {
  AtsInvalidation message;
  // Half of all addresses is told as all of them, which have no size of their own.
  const bool all = address_mask + 1 >= every_address;
  message.address = all ? Iova() : address;
  message.size = all ? AtsInvalidation::all_addresses : Bytes(page_4k.count() << address_mask);
  message.pasid = type == DescriptorType::pasid_device_tlb ? pasid : no_pasid;
  message.all_pasids = type == DescriptorType::pasid_device_tlb && all_pasids;
  message.tag = tag;
  return message;
}

PageResponse Descriptor::response() const {
  PageResponse response{source, has_pasid ? pasid : no_pasid, group, code};
  if (has_private_data) response.private_data = private_data;
  return response;
}

}  // namespace viosim::vtd
