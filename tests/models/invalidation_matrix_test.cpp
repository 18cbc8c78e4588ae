// Every invalidation descriptor against every cache: what dies, and what survives.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cached_world.hpp"

#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;
using vtd::Descriptor;
using vtd::DescriptorType;
using vtd::Granularity;

namespace {

Descriptor order(DescriptorType type, Granularity granularity, std::uint16_t domain = 5) {
  Descriptor d;
  d.type = type;
  d.granularity = granularity;
  d.domain = DomainId(domain);
  d.source = CachedWorld::function_a;
  d.pasid = Pasid(1);
  return d;
}
Descriptor with_mask(std::uint8_t functions) {
  Descriptor d = order(DescriptorType::context_cache, Granularity::device);
  d.function_mask = functions;
  return d;
}
Descriptor pages(DescriptorType type, std::uint64_t address, std::uint8_t mask, bool leaf_only) {
  Descriptor d = order(type, Granularity::page);
  d.address = Iova(address);
  d.address_mask = mask;
  d.leaf_only = leaf_only;
  return d;
}
Descriptor device(DescriptorType type, std::uint64_t address, std::uint8_t size, bool all = false) {
  Descriptor d = order(type, Granularity::global);
  d.address = Iova(address);
  d.address_mask = size;
  d.all_pasids = all;
  return d;
}

struct Row {
  const char* what;
  Descriptor descriptor;
  const char* entries;  // the columns: see Deaths
  const char* first_level;
  const char* second_level;
  const char* nested;
  const char* device_tlbs;
};

std::vector<Row> rows();

}  // namespace

TEST_CASE("each descriptor removes from each cache what it covers", "[models][invalidation]") {
  const Row row = GENERATE(from_range(rows()));
  INFO(row.what);
  const auto check = [&](CachedWorld::Type type, const std::string& pages_and_paths) {
    const Deaths dead = CachedWorld(type).deaths_by(row.descriptor);
    CHECK(dead.entries == row.entries);
    CHECK(dead.pages + " / " + dead.paths == pages_and_paths);
    CHECK(dead.device_tlbs == row.device_tlbs);
  };
  check(CachedWorld::Type::first_level, row.first_level);
  check(CachedWorld::Type::second_level, row.second_level);
  check(CachedWorld::Type::nested, row.nested);
  check(CachedWorld::Type::pass_through, "- - - / 000 000");  // nothing of it is cached
}

namespace {

std::vector<Row> rows() {
  using T = DescriptorType;
  using G = Granularity;
  constexpr std::uint64_t small = CachedWorld::page_of_size[0];
  constexpr std::uint64_t in_2m = CachedWorld::page_of_size[1] + 0x3000;
  constexpr std::uint64_t in_1g = CachedWorld::page_of_size[2] + 0x123'4000;
  constexpr std::uint8_t all = Descriptor::every_address;
  // What, the descriptor, entries; pages / paths of first-level, of second-level, of nested spaces.
  return {
      {"context cache, global", order(T::context_cache, G::global), "2 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"context cache, domain", order(T::context_cache, G::domain), "2 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"context cache, device", order(T::context_cache, G::device), "1 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"context cache, device, functions 0 and 1", with_mask(3), "2 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"PASID cache, global", order(T::pasid_cache, G::global), "0 4", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"PASID cache, domain", order(T::pasid_cache, G::domain), "0 3", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"PASID cache, a PASID", order(T::pasid_cache, G::pasid), "0 2", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"PASID cache, a PASID of a domain that has it not", order(T::pasid_cache, G::pasid, 6),
       "0 0", "- - - / 000 000", "- - - / 000 000", "- - - / 000 000", "-"},
      {"IOTLB, global", order(T::iotlb, G::global), "0 0", "421 421 421 / 363 000",
       "421 421 421 / 000 242", "421 421 421 / 363 242", "-"},
      {"IOTLB, domain", order(T::iotlb, G::domain), "0 0", "421 421 - / 242 000",
       "421 421 - / 000 121", "421 421 - / 242 121", "-"},
      {"IOTLB, another domain", order(T::iotlb, G::domain, 6), "0 0", "- - 421 / 121 000",
       "- - 421 / 000 121", "- - 421 / 121 121", "-"},
      {"IOTLB, a page", pages(T::iotlb, small, 0, false), "0 0", "421 421 - / 242 000",
       "4 4 - / 000 111", "421 421 - / 242 111", "-"},
      {"IOTLB, a page, leaf only", pages(T::iotlb, small, 0, true), "0 0", "421 421 - / 242 000",
       "4 4 - / 000 000", "421 421 - / 242 000", "-"},
      {"IOTLB, an address in the 2M page", pages(T::iotlb, in_2m, 0, false), "0 0",
       "421 421 - / 242 000", "2 2 - / 000 011", "421 421 - / 242 011", "-"},
      {"IOTLB, an address in the 1G page", pages(T::iotlb, in_1g, 0, true), "0 0",
       "421 421 - / 242 000", "1 1 - / 000 000", "421 421 - / 242 000", "-"},
      {"IOTLB, 1 GiB around the 2M page", pages(T::iotlb, 0x8000'0000, 18, false), "0 0",
       "421 421 - / 242 000", "2 2 - / 000 011", "421 421 - / 242 011", "-"},
      {"PASID IOTLB, all of a PASID", order(T::pasid_iotlb, G::pasid), "0 0", "421 - - / 121 000",
       "421 - - / 000 121", "421 - - / 121 121", "-"},
      {"PASID IOTLB, a PASID of another domain", order(T::pasid_iotlb, G::pasid, 6), "0 0",
       "- - - / 000 000", "- - - / 000 121", "- - - / 000 121", "-"},
      {"PASID IOTLB, a page", pages(T::pasid_iotlb, small, 0, false), "0 0", "4 - - / 111 000",
       "- - - / 000 000", "4 - - / 111 000", "-"},
      {"PASID IOTLB, a page, leaf only", pages(T::pasid_iotlb, small, 0, true), "0 0",
       "4 - - / 000 000", "- - - / 000 000", "4 - - / 000 000", "-"},
      {"PASID IOTLB, an address in the 2M page", pages(T::pasid_iotlb, in_2m, 0, true), "0 0",
       "2 - - / 000 000", "- - - / 000 000", "2 - - / 000 000", "-"},
      {"PASID IOTLB, 1 GiB around the 2M page", pages(T::pasid_iotlb, 0x8000'0000, 18, false),
       "0 0", "2 - - / 011 000", "- - - / 000 000", "2 - - / 011 000", "-"},
      {"PASID IOTLB, an address in the 1G page", pages(T::pasid_iotlb, in_1g, 0, false), "0 0",
       "1 - - / 001 000", "- - - / 000 000", "1 - - / 001 000", "-"},
      {"device TLB, everything", device(T::device_tlb, 0, all), "0 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "A all"},
      {"device TLB, 2 MiB", device(T::device_tlb, 0x8060'0000, 9), "0 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "A 0x80600000+2048K"},
      {"PASID device TLB, everything of a PASID", device(T::pasid_device_tlb, 0, all), "0 0",
       "- - - / 000 000", "- - - / 000 000", "- - - / 000 000", "A PASID 1 all"},
      {"PASID device TLB, 8 KiB", device(T::pasid_device_tlb, 0x10000, 1), "0 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "A PASID 1 0x10000+8K"},
      {"PASID device TLB, a page of every PASID", device(T::pasid_device_tlb, small, 0, true),
       "0 0", "- - - / 000 000", "- - - / 000 000", "- - - / 000 000",
       "A every PASID 0x12345000+4K"},
      {"interrupt cache", order(T::interrupt_cache, G::global), "0 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
      {"wait", order(T::wait, G::global), "0 0", "- - - / 000 000", "- - - / 000 000",
       "- - - / 000 000", "-"},
      {"page group response", order(T::page_response, G::global), "0 0", "- - - / 000 000",
       "- - - / 000 000", "- - - / 000 000", "-"},
  };
}

}  // namespace
