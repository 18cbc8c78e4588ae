// Invalidation descriptors, bit for bit.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor.hpp"

#include "core/base/error.hpp"
#include "core/base/rng.hpp"
#include "models/iommu/request.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::vtd;

namespace {

constexpr std::uint8_t any_mask = 63;

Descriptor make(DescriptorType type, Granularity granularity = Granularity::global) {
  Descriptor d;
  d.type = type;
  d.granularity = granularity;
  return d;
}

Descriptor make_for_domain(DescriptorType type, Granularity granularity) {
  Descriptor d = make(type, granularity);
  d.domain = DomainId(5);
  return d;
}

void check(const Descriptor& d, const DescriptorBits& bits) {
  CHECK(d.encode() == bits);
  CHECK(Descriptor::error(bits, any_mask) == QueueError::none);
  CHECK(Descriptor::decode(bits) == d);
}

Descriptor for_device(DescriptorType type, std::uint64_t address, std::uint8_t size) {
  Descriptor d = make(type);
  d.source = Bdf(0x0300);
  if (type == DescriptorType::pasid_device_tlb) d.pasid = Pasid(0x123);
  d.address = Iova(address);
  d.address_mask = size;
  return d;
}

}  // namespace

TEST_CASE("descriptors have the bits that the specification gives them", "[models][descriptor]") {
  Descriptor cache = make_for_domain(DescriptorType::pasid_cache, Granularity::pasid);
  cache.pasid = Pasid(0x123);
  check(cache, {0x0000'0123'0005'0017U, 0});

  Descriptor all = make_for_domain(DescriptorType::pasid_iotlb, Granularity::pasid);
  all.pasid = Pasid(0x123);
  check(all, {0x0000'0123'0005'0026U, 0});

  Descriptor pages = make_for_domain(DescriptorType::pasid_iotlb, Granularity::page);
  pages.pasid = Pasid(0x123);
  pages.address = Iova(0x7f00'0000'4000U);
  pages.address_mask = 2;
  pages.leaf_only = true;
  check(pages, {0x0000'0123'0005'0036U, 0x7f00'0000'4042U});

  // As Linux writes it when it unmaps a page in strict mode, with both drains (recorded).
  Descriptor page = make_for_domain(DescriptorType::iotlb, Granularity::page);
  page.drain_reads = page.drain_writes = true;
  page.address = Iova(0xfffdd000);
  check(page, {0x500f2, 0xfffdd000});

  Descriptor context = make_for_domain(DescriptorType::context_cache, Granularity::device);
  context.source = Bdf(0x0300);
  check(context, {0x0000'0300'0005'0031U, 0});
  context.function_mask = 2;
  check(context, {0x0002'0300'0005'0031U, 0});
}

TEST_CASE("a wait descriptor carries data and address of its status", "[models][descriptor]") {
  Descriptor wait;
  wait.status_write = true;
  wait.status_data = 2;
  wait.status_address = Hpa(0x11c6004);
  check(wait, {0x0000'0002'0000'0025U, 0x11c6004});
  wait.page_drain = true;
  check(wait, {0x0000'0002'0000'00a5U, 0x11c6004});
  wait.fence = true;
  wait.interrupt = true;
  check(wait, {0x0000'0002'0000'00f5U, 0x11c6004});
}

TEST_CASE("a device-TLB descriptor codes its size in the address", "[models][descriptor]") {
  const auto one = DescriptorType::device_tlb;
  const auto with_pasid = DescriptorType::pasid_device_tlb;
  const auto all = Descriptor::every_address;
  check(for_device(with_pasid, 0, all), {0x0000'0123'0300'0008U, 0x7fff'ffff'ffff'f800U});
  check(for_device(with_pasid, 0x10000, 1), {0x0000'0123'0300'0008U, 0x10800});
  check(for_device(with_pasid, 0x10000, 0), {0x0000'0123'0300'0008U, 0x10000});
  check(for_device(with_pasid, 0x4000'0000, 18), {0x0000'0123'0300'0008U, 0x5fff'f800U});
  check(for_device(one, 0, all), {0x0000'0300'0000'0003U, 0x7fff'ffff'ffff'f001U});
  check(for_device(one, 0x20'0000, 9), {0x0000'0300'0000'0003U, 0x2f'f001U});
  check(for_device(one, 0xffff'f000, 0), {0x0000'0300'0000'0003U, 0xffff'f000U});
}

TEST_CASE("a function is told of half of all addresses as of all of them", "[models][descriptor]") {
  const auto type = GENERATE(DescriptorType::device_tlb, DescriptorType::pasid_device_tlb);
  const auto told = [type](std::uint8_t mask) {
    return for_device(type, std::uint64_t{1} << 63U, mask).device_tlb_message(0);
  };
  const auto every = Descriptor::every_address;
  CHECK(told(every).size == AtsInvalidation::all_addresses);
  CHECK(told(every - 1).size == AtsInvalidation::all_addresses);
  CHECK(told(every - 1).address == Iova());
  CHECK(told(every - 2).size == Bytes(std::uint64_t{1} << 62U));
  CHECK(told(every - 2).address == Iova(std::uint64_t{1} << 63U));
}

TEST_CASE("device-TLB descriptors name a queue depth and a physical function",
          "[models][descriptor]") {
  Descriptor plain = for_device(DescriptorType::device_tlb, 0x1000, 0);
  plain.queue_depth = 31;
  plain.physical_function = Bdf(0xabcd);
  check(plain, {0xabc0'0300'001f'd003U, 0x1000});
  Descriptor pasid = for_device(DescriptorType::pasid_device_tlb, 0x1000, 0);
  pasid.queue_depth = 17;
  pasid.physical_function = Bdf(0xabcd);
  pasid.all_pasids = true;
  check(pasid, {0xabc0'0123'0300'd118U, 0x1001});
}

TEST_CASE("an interrupt-cache descriptor names entries by index and mask", "[models][descriptor]") {
  check(make(DescriptorType::interrupt_cache), {0x4, 0});
  Descriptor some = make(DescriptorType::interrupt_cache, Granularity::page);
  some.interrupt_index = 0x1234;
  some.interrupt_mask = 3;
  check(some, {0x0000'1234'1800'0014U, 0});
}

TEST_CASE("a page group response carries code, group and private data", "[models][descriptor]") {
  Descriptor response = make(DescriptorType::page_response);
  response.has_pasid = true;
  response.pasid = Pasid(0x54321);
  response.source = Bdf(0x0108);
  response.group = 0x1ff;
  response.last = true;
  response.code = PageResponseCode::invalid;
  check(response, {0x0005'4321'0108'1019U, 0xffc, 0, 0});
  response.has_private_data = true;
  response.private_data = {0x1122'3344'5566'7788U, 0x99aa'bbcc'ddee'ff00U};
  response.code = PageResponseCode::failure;
  check(response, {0x0005'4321'0108'f039U, 0xffc, 0x1122'3344'5566'7788U, 0x99aa'bbcc'ddee'ff00U});

  const PageResponse message = response.response();
  CHECK(message.pasid == Pasid(0x54321));
  CHECK(message.group == 0x1ff);
  CHECK(message.code == PageResponseCode::failure);
  response.has_pasid = false;
  CHECK(response.response().pasid == no_pasid);
}

TEST_CASE("a device-TLB descriptor becomes a message of the same range", "[models][descriptor]") {
  const auto message = [](DescriptorType type, std::uint64_t address, std::uint8_t size) {
    return for_device(type, address, size).device_tlb_message(7);
  };
  const AtsInvalidation page = message(DescriptorType::device_tlb, 0x20'0000, 9);
  CHECK(page.address == Iova(0x20'0000));
  CHECK(page.size == page_2m);
  CHECK(page.pasid == no_pasid);
  CHECK(page.tag == 7);
  const AtsInvalidation all = message(DescriptorType::pasid_device_tlb, 0, 52);
  CHECK(all.size == AtsInvalidation::all_addresses);
  CHECK(all.address == Iova(0));
  CHECK(all.pasid == Pasid(0x123));
  CHECK_FALSE(all.all_pasids);
}

TEST_CASE("the function mask of a context-cache descriptor leaves bits of the function out",
          "[models][descriptor]") {
  Descriptor context = make_for_domain(DescriptorType::context_cache, Granularity::device);
  context.source = Bdf(0x0301);
  const auto [mask, reached] = GENERATE(table<std::uint8_t, unsigned>(
      {{0, 0b0000'0010}, {1, 0b0010'0010}, {2, 0b1010'1010}, {3, 0b1111'1111}}));
  context.function_mask = mask;
  for (unsigned function = 0; function < 8; ++function) {
    CHECK(context.reaches(Bdf(static_cast<std::uint16_t>(0x0300 + function))) ==
          ((reached >> function & 1U) != 0));
  }
  CHECK_FALSE(context.reaches(Bdf(0x0309)));
}

TEST_CASE("reserved types and granularities do not decode", "[models][descriptor]") {
  for (const std::uint64_t low :
       std::initializer_list<std::uint64_t>{0x00, 0x01, 0x02, 0x06, 0x16, 0x27, 0x0a, 0x0f}) {
    INFO(low);
    CHECK_FALSE(Descriptor::decodable(low));
    CHECK(Descriptor::error({low}, any_mask) != QueueError::none);
  }
  CHECK_THROWS_AS(Descriptor::decode(0, 0), InternalError);
}

TEST_CASE("hardware says why it does not take a descriptor", "[models][descriptor]") {
  struct Case {
    const char* what;
    DescriptorBits bits;
    QueueError error;
  };
  const auto c = GENERATE(values<Case>({
      {"no type", {0x0}, QueueError::unknown_type},
      {"a type beyond the last one", {0xa}, QueueError::unknown_type},
      {"a type of seven bits", {0x205}, QueueError::reserved_field},
      {"a reserved granularity", {0x01}, QueueError::reserved_field},
      {"PASID cache, reserved granularity", {0x27}, QueueError::reserved_field},
      {"the most pages", {0x32, 18}, QueueError::none},
      {"more pages than MAMV", {0x32, 19}, QueueError::reserved_field},
      {"more pages of a PASID than MAMV", {0x36, 19}, QueueError::reserved_field},
      {"a size without a page", {0x22, 19}, QueueError::none},
      {"device TLB, a size code without a zero",
       {0x3, ~std::uint64_t{0xffe}},
       QueueError::reserved_field},
      {"the same without S: the last page", {0x3, ~std::uint64_t{0xfff}}, QueueError::none},
      {"PASID device TLB, a size code without a zero",
       {0x8, ~std::uint64_t{0x7ff}},
       QueueError::reserved_field},
      {"a reserved bit of the first word",
       {std::uint64_t{1} << 20U | 5},
       QueueError::reserved_field},
      {"a reserved bit of the second word", {0x25, 1}, QueueError::reserved_field},
      {"a reserved word", {0x11, 0, 1}, QueueError::reserved_field},
      {"private data", {0x29, 0, 1, 1}, QueueError::none},
  }));
  INFO(c.what);
  CHECK(Descriptor::error(c.bits, 18) == c.error);
}

namespace {

// Any descriptor of the type, in which all that the type has is drawn.
Descriptor draw(unsigned type, Rng& rng) {
  Descriptor d;
  d.type = static_cast<DescriptorType>(type);
  const auto bits = [&](unsigned count) { return rng.next() >> (64 - count); };
  const auto flag = [&] { return bits(1) != 0; };
  const auto number = [&] { return static_cast<std::uint16_t>(bits(16)); };
  const bool of_pages = d.type == DescriptorType::iotlb || d.type == DescriptorType::pasid_iotlb;
  const bool of_pasid = type >= 6;
  if (of_pages || d.type == DescriptorType::interrupt_cache) d.granularity = Granularity::page;
  if (d.type == DescriptorType::context_cache) d.granularity = Granularity::device;
  if (d.type == DescriptorType::pasid_cache) d.granularity = Granularity::pasid;
  if (type == 1 || type == 2 || type == 6 || type == 7) d.domain = DomainId(number());
  if (type == 1 || type == 3 || type >= 8) d.source = Bdf(number());
  if (type == 1) d.function_mask = static_cast<std::uint8_t>(bits(2));
  if (of_pasid) d.pasid = Pasid(static_cast<std::uint32_t>(bits(20)));
  if (of_pages) {
    d.address = Iova(rng.next() & ~std::uint64_t{0xfff});
    d.address_mask = static_cast<std::uint8_t>(bits(6));
    d.leaf_only = flag();
  }
  if (type == 2) d.drain_reads = flag(), d.drain_writes = flag();
  if (d.of_device_tlb()) {
    d.address_mask = static_cast<std::uint8_t>(rng.below(Descriptor::every_address + 1));
    const unsigned zeros = 12 + d.address_mask;
    d.address = Iova(zeros == 64 ? 0 : rng.next() >> zeros << zeros);
    d.queue_depth = static_cast<std::uint8_t>(bits(5));
    d.physical_function = Bdf(number());
    d.all_pasids = type == 8 && flag();
  }
  if (type == 4) d.interrupt_index = number(), d.interrupt_mask = std::uint8_t(bits(5));
  if (type == 5) {
    d.interrupt = flag(), d.status_write = flag(), d.fence = flag(), d.page_drain = flag();
    d.status_data = static_cast<std::uint32_t>(bits(32));
    d.status_address = Hpa(rng.next() & ~std::uint64_t{3});
  }
  if (type == 9) {
    d.has_pasid = flag(), d.has_private_data = flag(), d.last = flag();
    d.group = static_cast<std::uint16_t>(bits(9));
    d.code = static_cast<PageResponseCode>(bits(4));
    d.private_data = {rng.next(), rng.next()};
  }
  return d;
}

}  // namespace

TEST_CASE("decoding gives back whatever was encoded", "[models][descriptor]") {
  Rng rng(1, "descriptors");
  for (unsigned i = 0; i < 90'000; ++i) {
    const Descriptor d = draw(1 + i % 9, rng);
    const DescriptorBits bits = d.encode();
    if (Descriptor::error(bits, any_mask) == QueueError::none && Descriptor::decode(bits) == d)
      continue;
    FAIL("type " << 1 + i % 9 << ", number " << i);
  }
}

TEST_CASE("every bit of a descriptor means something or is reserved", "[models][descriptor]") {
  Rng rng(2, "descriptors");
  for (unsigned i = 0; i < 900; ++i) {
    const Descriptor d = draw(1 + i % 9, rng);
    for (unsigned bit = 0; bit < 256; ++bit) {
      DescriptorBits bits = d.encode();
      bits[bit / 64] ^= std::uint64_t{1} << (bit % 64);
      if (Descriptor::error(bits, any_mask) != QueueError::none) continue;
      const Descriptor other = Descriptor::decode(bits);
      if (other != d &&
          (other.type != d.type || other.granularity != d.granularity || other.encode() == bits))
        continue;
      FAIL("type " << 1 + i % 9 << ", bit " << bit);
    }
  }
}
