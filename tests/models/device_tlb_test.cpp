// The device TLB: what is found, and what an invalidation takes; translation completions bit for bit.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/device_tlb.hpp"

#include "models/iommu/request.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;

namespace {

DeviceTlb tlb_of(std::uint32_t entries, std::uint32_t ways = 0,
                 Replacement replacement = Replacement::lru) {
  return DeviceTlb({entries, ways, replacement, 2ns}, Rng(1, "tlb"));
}

TranslationCompletion readable(std::uint64_t page, Bytes size = page_4k) {
  TranslationCompletion completion;
  completion.page = Hpa(page);
  completion.size = size;
  completion.read = true;
  return completion;
}

std::uint64_t stamps = 0;
UseStamp next_use() { return {++stamps, 0}; }

bool holds(DeviceTlb& tlb, Pasid pasid, std::uint64_t iova) {
  return tlb.look_up(pasid, Iova(iova), Access::read, next_use()).has_value();
}

}  // namespace

TEST_CASE("a translation completion is encoded bit for bit", "[models][ats]") {
  TranslationCompletion completion = readable(0x12345000);
  CHECK(completion.encode() == 0x12345001);
  completion.write = completion.execute = completion.privileged = true;
  completion.untranslated_only = true;
  CHECK(completion.encode() == 0x1234501f);
  // 8 KiB: S, and bit 12 clear. 2 MiB: bits 12 to 19 set, bit 20 clear.
  CHECK(readable(0x10000, 8_KiB).encode() == 0x10801);
  CHECK(readable(0x4000'0000, 2_MiB).encode() == 0x400f'f801);
  CHECK(readable(0x4000'0000, 1_GiB).encode() == 0x5fff'f801);
  for (const Bytes size : {4_KiB, 8_KiB, 64_KiB, 2_MiB, 1_GiB}) {
    const TranslationCompletion original = readable(std::uint64_t{7} << 32U, size);
    CHECK(TranslationCompletion::decode(original.encode()) == original);
  }
}

TEST_CASE("a device TLB finds pages of each size, by PASID", "[models][ats]") {
  DeviceTlb tlb = tlb_of(16);
  tlb.insert(Pasid(1), Iova(0x1234), readable(0xa000), next_use());
  tlb.insert(Pasid(1), Iova(0x4012'3000), readable(0x8000'0000, 2_MiB), next_use());
  tlb.insert(no_pasid, Iova(0x1'8000'0000), readable(0x2'4000'0000, 1_GiB), next_use());
  const auto at = [&](Pasid pasid, std::uint64_t iova) {
    const auto found = tlb.look_up(pasid, Iova(iova), Access::read, next_use());
    return found ? found->address(Iova(iova)) : Hpa(0);
  };
  CHECK(at(Pasid(1), 0x1fff) == Hpa(0xafff));
  CHECK(at(Pasid(1), 0x2000) == Hpa(0));
  CHECK(at(Pasid(2), 0x1000) == Hpa(0));
  CHECK(at(no_pasid, 0x1000) == Hpa(0));
  CHECK(at(Pasid(1), 0x401f'ffff) == Hpa(0x801f'ffff));
  CHECK(at(Pasid(1), 0x4020'0000) == Hpa(0));
  CHECK(at(no_pasid, 0x1'8000'0123) == Hpa(0x2'4000'0123));
  CHECK(at(no_pasid, 0x1'c000'0000) == Hpa(0));
}

TEST_CASE("a completion of another size is kept as the largest page that it holds",
          "[models][ats]") {
  DeviceTlb tlb = tlb_of(16);
  // 64 KiB at 0x40000: the page of the address that was asked for.
  tlb.insert(Pasid(1), Iova(0x23000), readable(0x40000, 64_KiB), next_use());
  const auto found = tlb.look_up(Pasid(1), Iova(0x23456), Access::read, next_use());
  REQUIRE(found);
  CHECK(found->size == page_4k);
  CHECK(found->address(Iova(0x23456)) == Hpa(0x43456));
  CHECK_FALSE(holds(tlb, Pasid(1), 0x24000));
}

TEST_CASE("an entry without the right is a miss", "[models][ats]") {
  DeviceTlb tlb = tlb_of(4);
  TranslationCompletion completion = readable(0xa000);
  const auto allows = [&](Access access) {
    tlb.insert(Pasid(1), Iova(0), completion, next_use());
    return tlb.look_up(Pasid(1), Iova(0), access, next_use()).has_value();
  };
  CHECK(allows(Access::read));
  CHECK_FALSE(allows(Access::write));
  CHECK_FALSE(allows(Access::execute));
  completion.write = completion.execute = true;
  CHECK(allows(Access::write));
  CHECK(allows(Access::execute));
  completion.read = false;
  CHECK(allows(Access::write));
  CHECK_FALSE(allows(Access::read));
  CHECK_FALSE(allows(Access::execute));
}

TEST_CASE("ways and replacement say which entry makes room", "[models][ats]") {
  DeviceTlb lru = tlb_of(2);
  DeviceTlb fifo = tlb_of(2, 0, Replacement::fifo);
  DeviceTlb direct = tlb_of(2, 1);
  for (DeviceTlb* tlb : {&lru, &fifo, &direct}) {
    tlb->insert(Pasid(1), Iova(0x0000), readable(0xa000), next_use());
    tlb->insert(Pasid(1), Iova(0x1000), readable(0xb000), next_use());
    holds(*tlb, Pasid(1), 0x0000);
    tlb->insert(Pasid(1), Iova(0x3000), readable(0xc000), next_use());
  }
  CHECK(holds(lru, Pasid(1), 0x0000));
  CHECK_FALSE(holds(lru, Pasid(1), 0x1000));
  CHECK_FALSE(holds(fifo, Pasid(1), 0x0000));
  CHECK(holds(fifo, Pasid(1), 0x1000));
  CHECK(holds(direct, Pasid(1), 0x0000));
  CHECK_FALSE(holds(direct, Pasid(1), 0x1000));
  CHECK(lru.stats().evictions == 1);
}

namespace {

struct Scope {
  const char* what;
  AtsInvalidation invalidation;
  // PASID 1: page 0, page 5, 2 MiB at 4 MiB; PASID 2: page 0; none: page 0.
  std::vector<bool> survives;
};

constexpr Bytes everything = AtsInvalidation::all_addresses;

std::vector<Scope> scopes() {
  return {
      {"one page", {Iova(0x5000), 4_KiB, Pasid(1), false, 0}, {true, false, true, true, true}},
      {"eight pages", {Iova(0), 32_KiB, Pasid(1), false, 0}, {false, false, true, true, true}},
      {"eight other pages",
       {Iova(0x8000), 32_KiB, Pasid(1), false, 0},
       {true, true, true, true, true}},
      {"a page within a large one",
       {Iova(0x47'f000), 4_KiB, Pasid(1), false, 0},
       {true, true, false, true, true}},
      {"more than a large page",
       {Iova(0), 8_MiB, Pasid(1), false, 0},
       {false, false, false, true, true}},
      {"all of a PASID",
       {Iova(0), everything, Pasid(1), false, 0},
       {false, false, false, true, true}},
      {"all without a PASID",
       {Iova(0), everything, no_pasid, false, 0},
       {true, true, true, true, false}},
      {"a page of all PASIDs",
       {Iova(0), 4_KiB, no_pasid, true, 0},
       {false, true, true, false, false}},
      {"everything", {Iova(0), everything, no_pasid, true, 0}, {false, false, false, false, false}},
  };
}

}  // namespace

TEST_CASE("an invalidation takes what it covers, and nothing else", "[models][ats]") {
  for (const Scope& scope : scopes()) {
    CAPTURE(scope.what);
    DeviceTlb tlb = tlb_of(16);
    tlb.insert(Pasid(1), Iova(0x0000), readable(0x10000), next_use());
    tlb.insert(Pasid(1), Iova(0x5000), readable(0x20000), next_use());
    tlb.insert(Pasid(1), Iova(0x40'0000), readable(0x8000'0000, 2_MiB), next_use());
    tlb.insert(Pasid(2), Iova(0x0000), readable(0x30000), next_use());
    tlb.insert(no_pasid, Iova(0x0000), readable(0x40000), next_use());
    tlb.invalidate(scope.invalidation);
    CHECK(std::vector<bool>{holds(tlb, Pasid(1), 0x0000), holds(tlb, Pasid(1), 0x5000),
                            holds(tlb, Pasid(1), 0x40'0000), holds(tlb, Pasid(2), 0x0000),
                            holds(tlb, no_pasid, 0x0000)} == scope.survives);
  }
}
