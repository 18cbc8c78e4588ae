// The bit positions of each descriptor, in both directions.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor.hpp"

#include "core/base/error.hpp"
#include "models/iommu/bits.hpp"

#include <bit>
#include <span>

namespace viosim::vtd {
namespace {

constexpr std::uint64_t ones(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }
constexpr std::uint64_t page_bits = ~std::uint64_t{0xfff};

// The granularity field, bits 5:4, means something else in each type.
struct Code {
  std::uint64_t field;
  Granularity granularity;
};
constexpr std::array context_codes = {Code{1, Granularity::global}, Code{2, Granularity::domain},
                                      Code{3, Granularity::device}};
constexpr std::array iotlb_codes = {Code{1, Granularity::global}, Code{2, Granularity::domain},
                                    Code{3, Granularity::page}};
constexpr std::array interrupt_codes = {Code{0, Granularity::global}, Code{1, Granularity::page}};
constexpr std::array pasid_iotlb_codes = {Code{2, Granularity::pasid}, Code{3, Granularity::page}};
constexpr std::array pasid_cache_codes = {Code{0, Granularity::domain}, Code{1, Granularity::pasid},
                                          Code{3, Granularity::global}};
constexpr std::array no_codes = {Code{0, Granularity::global}};

std::span<const Code> codes_of(DescriptorType type) {
  switch (type) {
    case DescriptorType::context_cache:
      return context_codes;
    case DescriptorType::iotlb:
      return iotlb_codes;
    case DescriptorType::interrupt_cache:
      return interrupt_codes;
    case DescriptorType::pasid_iotlb:
      return pasid_iotlb_codes;
    case DescriptorType::pasid_cache:
      return pasid_cache_codes;
    default:
      return no_codes;
  }
}

std::uint64_t granularity_field(DescriptorType type, std::uint64_t low) {
  switch (type) {
    case DescriptorType::context_cache:
    case DescriptorType::iotlb:
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_cache:
      return field_of(low, 4, 2);
    case DescriptorType::interrupt_cache:
      return field_of(low, 4, 1);
    default:
      return 0;
  }
}

std::optional<Granularity> granularity_of(std::uint64_t low) {
  const std::uint64_t number = field_of(low, 0, 4);
  if (number < 1 || number > 9) return {};
  const auto type = static_cast<DescriptorType>(number);
  for (const Code& code : codes_of(type)) {
    if (code.field == granularity_field(type, low)) return code.granularity;
  }
  return {};
}

bool has_pages(const Descriptor& d) {
  return d.granularity == Granularity::page &&
         (d.type == DescriptorType::iotlb || d.type == DescriptorType::pasid_iotlb);
}

// PCIe 10.2.3.2: with S, the lowest zero of the page number says how many of its bits, that one
// included, belong to the size.
std::optional<std::uint8_t> size_of(std::uint64_t page, bool coded) {
  if (!coded) return std::uint8_t{0};
  const auto below = static_cast<unsigned>(std::countr_one(page));
  if (below >= Descriptor::every_address) return {};
  return static_cast<std::uint8_t>(below + 1);
}

struct Coded {
  std::uint64_t page_bits;
  bool coded;
};
Coded code_size(Iova address, std::uint8_t size) {
  if (size == 0) return {address.value() & page_bits, false};
  const std::uint64_t page = address.value() >> 12U & ~ones(size);
  return {(page | ones(size - 1U)) << 12U, true};
}

void decode_size(Descriptor& d, std::uint64_t high, unsigned coded_bit) {
  const std::uint64_t page = high >> 12U;
  d.address_mask = size_of(page, field_of(high, coded_bit, 1) != 0).value_or(0);
  d.address = Iova((page & ~ones(d.address_mask)) << 12U);
}

Bdf decode_physical_function(std::uint64_t low) {
  return Bdf(static_cast<std::uint16_t>(field_of(low, 12, 4) | field_of(low, 52, 12) << 4U));
}
std::uint64_t encode_physical_function(Bdf function) {
  return std::uint64_t{function.value()} % 16 << 12U | std::uint64_t{function.value()} / 16 << 52U;
}

void decode_device_tlb(Descriptor& d, std::uint64_t low, std::uint64_t high) {
  const bool pasid = d.type == DescriptorType::pasid_device_tlb;
  d.physical_function = decode_physical_function(low);
  d.queue_depth = static_cast<std::uint8_t>(field_of(low, pasid ? 4 : 16, 5));
  d.source = Bdf(static_cast<std::uint16_t>(field_of(low, pasid ? 16 : 32, 16)));
  if (pasid) {
    d.pasid = Pasid(static_cast<std::uint32_t>(field_of(low, 32, 20)));
    d.all_pasids = field_of(high, 0, 1) != 0;
  }
  decode_size(d, high, pasid ? 11 : 0);
}

void decode_wait(Descriptor& d, std::uint64_t low, std::uint64_t high) {
  d.interrupt = field_of(low, 4, 1) != 0;
  d.status_write = field_of(low, 5, 1) != 0;
  d.fence = field_of(low, 6, 1) != 0;
  d.page_drain = field_of(low, 7, 1) != 0;
  d.status_data = static_cast<std::uint32_t>(field_of(low, 32, 32));
  d.status_address = Hpa(high & ~std::uint64_t{3});
}

void decode_response(Descriptor& d, const DescriptorBits& bits) {
  d.has_pasid = field_of(bits[0], 4, 1) != 0;
  d.has_private_data = field_of(bits[0], 5, 1) != 0;
  d.code = static_cast<PageResponseCode>(field_of(bits[0], 12, 4));
  d.source = Bdf(static_cast<std::uint16_t>(field_of(bits[0], 16, 16)));
  d.pasid = Pasid(static_cast<std::uint32_t>(field_of(bits[0], 32, 20)));
  d.last = field_of(bits[1], 2, 1) != 0;
  d.group = static_cast<std::uint16_t>(field_of(bits[1], 3, 9));
  d.private_data = {bits[2], bits[3]};
}

}  // namespace

bool Descriptor::decodable(std::uint64_t low) { return granularity_of(low).has_value(); }

Descriptor Descriptor::decode(const DescriptorBits& bits) {
  const auto [low, high, third, fourth] = bits;
  ensure(decodable(low), "a descriptor that does not decode was decoded");
  Descriptor d;
  d.type = static_cast<DescriptorType>(field_of(low, 0, 4));
  d.granularity = *granularity_of(low);
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
    case DescriptorType::pasid_device_tlb:
      decode_device_tlb(d, low, high);
      break;
    case DescriptorType::interrupt_cache:
      d.interrupt_mask = static_cast<std::uint8_t>(field_of(low, 27, 5));
      d.interrupt_index = static_cast<std::uint16_t>(field_of(low, 32, 16));
      break;
    case DescriptorType::wait:
      decode_wait(d, low, high);
      break;
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_cache:
      d.domain = DomainId(static_cast<std::uint16_t>(field_of(low, 16, 16)));
      d.pasid = Pasid(static_cast<std::uint32_t>(field_of(low, 32, 20)));
      break;
    case DescriptorType::page_response:
      decode_response(d, bits);
      break;
  }
  if (has_pages(d)) {
    d.address_mask = static_cast<std::uint8_t>(field_of(high, 0, 6));
    d.leaf_only = field_of(high, 6, 1) != 0;
    d.address = Iova(high & page_bits);
  }
  return d;
}

namespace {

// Puts fields at their places; what does not fit is cut off.
struct Writer {
  DescriptorBits bits{};
  void put(unsigned word, unsigned low, unsigned width, std::uint64_t value) {
    bits[word] |= (value & ones(width)) << low;
  }
};

void encode_device_tlb(const Descriptor& d, Writer& to) {
  const bool pasid = d.type == DescriptorType::pasid_device_tlb;
  to.bits[0] |= encode_physical_function(d.physical_function);
  to.put(0, pasid ? 4 : 16, 5, d.queue_depth);
  to.put(0, pasid ? 16 : 32, 16, d.source.value());
  if (pasid) {
    to.put(0, 32, pasid_bits, d.pasid.value());
    to.put(1, 0, 1, d.all_pasids ? 1 : 0);
  }
  const Coded size = code_size(d.address, d.address_mask);
  to.bits[1] |= size.page_bits;
  to.put(1, pasid ? 11 : 0, 1, size.coded ? 1 : 0);
}

void encode_wait(const Descriptor& d, Writer& to) {
  to.put(0, 4, 1, d.interrupt ? 1 : 0);
  to.put(0, 5, 1, d.status_write ? 1 : 0);
  to.put(0, 6, 1, d.fence ? 1 : 0);
  to.put(0, 7, 1, d.page_drain ? 1 : 0);
  to.put(0, 32, 32, d.status_data);
  to.bits[1] = d.status_address.value() & ~std::uint64_t{3};
}

void encode_response(const Descriptor& d, Writer& to) {
  to.put(0, 4, 1, d.has_pasid ? 1 : 0);
  to.put(0, 5, 1, d.has_private_data ? 1 : 0);
  to.put(0, 12, 4, static_cast<std::uint64_t>(d.code));
  to.put(0, 16, 16, d.source.value());
  to.put(0, 32, pasid_bits, d.pasid.value());
  to.put(1, 2, 1, d.last ? 1 : 0);
  to.put(1, 3, 9, d.group);
  to.bits[2] = d.private_data[0];
  to.bits[3] = d.private_data[1];
}

}  // namespace

DescriptorBits Descriptor::encode() const {
  Writer to;
  to.put(0, 0, 4, static_cast<std::uint64_t>(type));
  for (const Code& known : codes_of(type)) {
    if (known.granularity == granularity) to.put(0, 4, 2, known.field);
  }
  switch (type) {
    case DescriptorType::context_cache:
      to.put(0, 16, 16, domain.value());
      to.put(0, 32, 16, source.value());
      to.put(0, 48, 2, function_mask);
      break;
    case DescriptorType::iotlb:
      to.put(0, 6, 1, drain_writes ? 1 : 0);
      to.put(0, 7, 1, drain_reads ? 1 : 0);
      to.put(0, 16, 16, domain.value());
      break;
    case DescriptorType::device_tlb:
    case DescriptorType::pasid_device_tlb:
      encode_device_tlb(*this, to);
      break;
    case DescriptorType::interrupt_cache:
      to.put(0, 27, 5, interrupt_mask);
      to.put(0, 32, 16, interrupt_index);
      break;
    case DescriptorType::wait:
      encode_wait(*this, to);
      break;
    case DescriptorType::pasid_iotlb:
    case DescriptorType::pasid_cache:
      to.put(0, 16, 16, domain.value());
      to.put(0, 32, pasid_bits, pasid.value());
      break;
    case DescriptorType::page_response:
      encode_response(*this, to);
      break;
  }
  if (has_pages(*this)) {
    to.put(1, 0, 6, address_mask);
    to.put(1, 6, 1, leaf_only ? 1 : 0);
    to.bits[1] |= address.value() & page_bits;
  }
  return to.bits;
}

}  // namespace viosim::vtd
