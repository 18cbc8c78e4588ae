// Invalidation descriptors, bit for bit.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor.hpp"

#include "core/base/error.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::vtd;

namespace {

using Bits = std::array<std::uint64_t, 2>;

Descriptor make(DescriptorType type, Granularity granularity) {
  Descriptor d;
  d.type = type;
  d.granularity = granularity;
  d.domain = DomainId(5);
  return d;
}

void check(const Descriptor& d, const Bits& bits) {
  CHECK(d.encode() == bits);
  CHECK(Descriptor::decode(bits[0], bits[1]) == d);
}

}  // namespace

TEST_CASE("descriptors have the bits that the specification gives them", "[models][descriptor]") {
  Descriptor cache = make(DescriptorType::pasid_cache, Granularity::pasid);
  cache.pasid = Pasid(0x123);
  check(cache, {0x0000'0123'0005'0017U, 0});

  Descriptor all = make(DescriptorType::pasid_iotlb, Granularity::pasid);
  all.pasid = Pasid(0x123);
  check(all, {0x0000'0123'0005'0026U, 0});

  Descriptor pages = make(DescriptorType::pasid_iotlb, Granularity::page);
  pages.pasid = Pasid(0x123);
  pages.address = Iova(0x7f00'0000'4000U);
  pages.address_mask = 2;
  pages.leaf_only = true;
  check(pages, {0x0000'0123'0005'0036U, 0x7f00'0000'4042U});

  // As Linux writes it when it unmaps a page in strict mode, with both drains (recorded).
  Descriptor page = make(DescriptorType::iotlb, Granularity::page);
  page.drain_reads = page.drain_writes = true;
  page.address = Iova(0xfffdd000);
  check(page, {0x500f2, 0xfffdd000});

  Descriptor context = make(DescriptorType::context_cache, Granularity::device);
  context.source = Bdf(0x0300);
  check(context, {0x0000'0300'0005'0031U, 0});
  context.function_mask = 2;
  check(context, {0x0002'0300'0005'0031U, 0});
}

TEST_CASE("the function mask of a context-cache descriptor leaves bits of the function out",
          "[models][descriptor]") {
  Descriptor context = make(DescriptorType::context_cache, Granularity::device);
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

TEST_CASE("a wait descriptor carries data and address of its status", "[models][descriptor]") {
  Descriptor wait;
  wait.status_write = true;
  wait.status_data = 2;
  wait.status_address = Hpa(0x11c6004);
  check(wait, {0x0000'0002'0000'0025U, 0x11c6004});
}

TEST_CASE("reserved types and granularities do not decode", "[models][descriptor]") {
  for (const std::uint64_t low :
       std::initializer_list<std::uint64_t>{0x00, 0x01, 0x02, 0x06, 0x16, 0x27, 0x0a, 0x0f}) {
    INFO(low);
    CHECK_FALSE(Descriptor::decodable(low));
  }
  CHECK_THROWS_AS(Descriptor::decode(0, 0), InternalError);
}
