// What the random tests of the IOMMU have found, each as the smallest case that shows it.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

using namespace viosim;
using namespace viosim::test;

using Type = vtd::PasidEntry::Type;

TEST_CASE("a walk that went back still fills the walk caches with all of its path",
          "[models][iommu]") {
  const int when = GENERATE(1, 3, 5, 7);
  vtd::UnitParams params;
  params.walk_caches.second.level2.entries = 4;
  params.walk_caches.second.level3.entries = 4;
  params.walk_caches.second.level4.entries = 4;
  LoneIommu lone(params, {});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.ask(0);
  // Unrelated writes between its reads send the walk back twice.
  for (const int read : {when, when + 1}) lone.at(lone.after_reads(read), [&] { lone.touch(); });
  lone.run();
  for (const unsigned level : {2U, 3U, 4U})
    CHECK(lone.iommu().walk_caches().stats(Stage::second, level)->insertions == 1);
}

TEST_CASE("an absent page of a second stage under a first is forgotten with its address",
          "[models][iommu]") {
  vtd::UnitParams params;
  params.caching_mode = true;
  LoneIommu lone(params, {.type = Type::nested});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.space().unmap_second(lone.space().guest(0));
  CHECK(lone.answer(0).faulted());
  lone.space().map_second(lone.space().guest(0), Hpa(0x6000'0000), {true, true});
  const bool by_first = GENERATE(true, false);
  Invalidation order;
  order.scope = by_first ? Invalidation::Scope::space_range : Invalidation::Scope::domain_range;
  order.domain = lone.space().shape().domain;
  order.pasid = LoneIommu::pasid;
  order.address = by_first ? lone.space().iova(0) : lone.space().guest(0);
  lone.iommu().apply(order);
  CHECK_FALSE(lone.answer(0).faulted());
}

TEST_CASE("a fault that caching mode remembers is silenced like the first one", "[models][iommu]") {
  vtd::UnitParams params;
  params.caching_mode = true;
  LoneIommu lone(params, {});
  vtd::PasidEntry entry = lone.space().entry();
  entry.fault_disable = true;
  lone.bind(entry);
  CHECK(lone.answer(0).silenced);
  CHECK(lone.answer(0).silenced);
  CHECK(lone.iommu().stats.faults == 2);
  CHECK(lone.iommu().stats.faults_reported == 0);
}

TEST_CASE("what the caches know does not let ATS past the device's entry", "[models][iommu]") {
  LoneIommu lone({}, {});
  lone.space().map(0, Hpa(0x5000'0000));
  CHECK(lone.answer(0).translation.page == Hpa(0x5000'0000));
  const AddressType type = GENERATE(AddressType::translation, AddressType::translated);
  const WalkResult refused = lone.answer(0, Access::read, type);
  CHECK(refused.fault == vtd::code_of(vtd::FaultReason::sm_device_tlb_disabled));
}
