// What the random tests of the IOMMU have found, each as the smallest case that shows it.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

#include <cstdint>
#include <cstdlib>

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

// Both have the domain and the PASID, and only one FPD.
TEST_CASE("an absent page that another function found is silenced as who asks wants it",
          "[models][iommu]") {
  const bool first_silent = GENERATE(false, true);
  const bool forgets = GENERATE(false, true);
  vtd::UnitParams params;
  params.caching_mode = true;
  LoneIommu lone(params, {});
  const Bdf other(0x300);
  lone.unit().tables().attach(other, 64, LoneIommu::pasid);
  vtd::PasidEntry entry = lone.space().entry();
  entry.fault_disable = first_silent;
  lone.bind(entry);
  entry.fault_disable = !first_silent;
  lone.unit().tables().set_entry(other, LoneIommu::pasid, entry);
  CHECK(lone.answer(0).silenced == first_silent);
  const std::uint64_t reads = lone.iommu().stats.walk_reads;
  lone.port().source = other;
  lone.port().context_hint = lone.port().pasid_hint = 0xffffffff;
  CHECK(lone.answer(0).silenced == !first_silent);
  CHECK(lone.iommu().stats.walk_reads == reads + 4);  // its entries
  if (forgets) {
    Invalidation order;
    order.what = Invalidation::What::processes;
    lone.iommu().apply(order);
  }
  CHECK(lone.answer(0).silenced == !first_silent);
}

// VT-d 3.x, 6.2.5: PGTT is part of the tag. A nested entry has the domain of its second stage, and what one function
// takes for an address of the guest the other takes for one of a process.
TEST_CASE("functions of one domain and PASID share no page when one is nested", "[models][iommu]") {
  LoneIommu lone({}, {.type = Type::nested});
  lone.space().map(0, Hpa(0x5000'0000));
  const Bdf other(0x300);
  lone.unit().tables().attach(other, 64, LoneIommu::pasid);
  vtd::PasidEntry entry = lone.space().entry();
  entry.type = Type::second_level;
  lone.unit().tables().set_entry(other, LoneIommu::pasid, entry);
  const WalkResult nested = lone.answer(0);
  CHECK(nested.translation.page == Hpa(0x5000'0000));
  lone.port().source = other;
  lone.port().context_hint = lone.port().pasid_hint = 0xffffffff;
  const WalkResult second = lone.answer(0);
  CHECK((second.faulted() || second.translation.page != Hpa(0x5000'0000)));
}

TEST_CASE("an absent page that is found by source is silenced as its walk was", "[models][iommu]") {
  const bool silent = GENERATE(false, true);
  vtd::UnitParams params;
  params.caching_mode = true;
  params.iotlb_tag = IotlbTag::source;
  LoneIommu lone(params, {});
  vtd::PasidEntry entry = lone.space().entry();
  entry.fault_disable = silent;
  entry.type = vtd::PasidEntry::Type::second_level;
  lone.bind(entry);
  CHECK(lone.answer(0).silenced == silent);
  Invalidation order;  // the PASID cache does not know the requester any more, the IOTLB does
  order.what = Invalidation::What::processes;
  lone.iommu().apply(order);
  CHECK(lone.answer(0).silenced == silent);
}

TEST_CASE("an invalidation of 2^52 pages covers both halves of the space", "[models][iommu]") {
  const std::uint8_t mask = GENERATE(std::uint8_t{51}, std::uint8_t{52}, std::uint8_t{63});
  SpaceShape shape;
  shape.type = vtd::PasidEntry::Type::first_level;
  LoneIommu lone({}, shape);
  lone.space().map(0, Hpa(0x5000'0000));
  // The upper half leads to the same tables.
  const Iova high(lone.space().iova(0).value() | 0xffff'8000'0000'0000U);
  const Hpa lower = lone.space().first_entry(0, 4);
  const Hpa upper = lower + Bytes(256 * 8);
  lone.memory().write(upper, lone.memory().read(lower));
  const auto fault = [&] { return lone.ask_alone_at(high, Access::read).result.faulted(); };
  CHECK_FALSE(fault());
  lone.memory().write(upper, 0);
  CHECK_FALSE(fault());
  Invalidation order;
  order.scope = Invalidation::Scope::space_range;
  order.domain = lone.space().shape().domain;
  order.pasid = LoneIommu::pasid;
  order.address_mask = mask;
  lone.iommu().apply(order);
  CHECK(fault() == (mask > 51));
}

TEST_CASE("what the caches know does not let ATS past the device's entry", "[models][iommu]") {
  LoneIommu lone({}, {});
  lone.space().map(0, Hpa(0x5000'0000));
  CHECK(lone.answer(0).translation.page == Hpa(0x5000'0000));
  const AddressType type = GENERATE(AddressType::translation, AddressType::translated);
  const WalkResult refused = lone.answer(0, Access::read, type);
  CHECK(refused.fault == vtd::code_of(vtd::FaultReason::sm_device_tlb_disabled));
}

TEST_CASE("an absent page of a table that software has replaced meanwhile is not remembered",
          "[models][iommu]") {
  const bool forgets = GENERATE(false, true);
  vtd::UnitParams params;
  params.caching_mode = true;
  LoneIommu lone(params, {});
  lone.space().map(0, Hpa(0x5000'0000));
  const Iova iova = lone.space().iova(1);
  const Hpa slot = lone.space().second_entry(iova, 2);
  REQUIRE(slot == lone.space().second_entry(lone.space().iova(0), 2));
  const std::size_t walk = lone.ask(1);
  // Root, context, directory, PASID entry and three levels have been read; the last one is the old
  // table's.
  lone.at(lone.after_reads(7) + 1ns, [&] {
    const Hpa table = lone.memory().allocate_frames();
    lone.memory().write(entry_address(table, iova, 1), 0x6000'0003);
    lone.memory().write(slot, table.value() | 3U);
    Invalidation order;
    order.scope = Invalidation::Scope::domain;
    order.domain = lone.space().shape().domain;
    if (forgets) lone.iommu().apply(order);
  });
  lone.run();
  CHECK(lone.told(walk).result.faulted());
  CHECK(lone.answer(1).faulted() == !forgets);
}

TEST_CASE("a PASID entry of a table that software has replaced meanwhile is not kept",
          "[models][iommu]") {
  const bool forgets = GENERATE(false, true);
  LoneIommu lone({}, {});
  lone.space().map(0, Hpa(0x5000'0000));
  const Hpa directory = lone.unit().tables().context(lone.port().source)->directory;
  const std::size_t walk = lone.ask(0);
  lone.at(lone.after_reads(3) + 1ns, [&] {  // its PASID entry is read next, from the old table
    lone.memory().write(vtd::directory_entry_address(directory, LoneIommu::pasid),
                        lone.memory().allocate_frames().value() | 1U);
    Invalidation order;
    order.what = Invalidation::What::processes;
    order.scope = Invalidation::Scope::space;
    order.domain = lone.space().shape().domain;
    order.pasid = LoneIommu::pasid;
    if (forgets) lone.iommu().apply(order);
  });
  lone.run();
  CHECK_FALSE(lone.told(walk).result.faulted());
  CHECK(lone.answer(0).faulted() == forgets);
}

TEST_CASE("FPD of a directory entry silences what is wrong with it and below it",
          "[models][iommu]") {
  const bool silent = GENERATE(false, true);
  const bool directory_present = GENERATE(false, true);
  LoneIommu lone({}, {});
  lone.unit().tables().clear_present(lone.port().source, LoneIommu::pasid);
  const Hpa at = vtd::directory_entry_address(
      lone.unit().tables().context(lone.port().source)->directory, LoneIommu::pasid);
  lone.memory().write(at, (lone.memory().read(at) & ~std::uint64_t{3}) |
                              (directory_present ? 1U : 0U) | (silent ? 2U : 0U));
  const WalkResult refused = lone.answer(0);
  CHECK(vtd::reason_of(refused.fault) == (directory_present
                                              ? vtd::FaultReason::sm_pasid_entry_not_present
                                              : vtd::FaultReason::sm_directory_not_present));
  CHECK(refused.silenced == silent);
  CHECK(lone.iommu().stats.faults_reported == (silent ? 0 : 1));
  for (const FaultCount& one : lone.iommu().faults_by_reason())
    CHECK(one.requests == (one.code == refused.fault ? 1 : 0));
}

TEST_CASE("FPD of a directory entry silences faults below a PASID entry that is cached",
          "[models][iommu]") {
  const bool silent = GENERATE(false, true);
  LoneIommu lone({}, {});
  const Hpa at = vtd::directory_entry_address(
      lone.unit().tables().context(lone.port().source)->directory, LoneIommu::pasid);
  lone.memory().write(at, lone.memory().read(at) | (silent ? 2U : 0U));
  for (int i = 0; i < 3; ++i) CHECK(lone.answer(0).silenced == silent);
  CHECK(lone.iommu().stats.faults == 3);
  CHECK(lone.iommu().stats.faults_reported == (silent ? 0 : 3));
}

TEST_CASE("the first PASID beyond a function's table is refused, as RID_PASID and in a request",
          "[models][iommu]") {
  using Reason = vtd::FaultReason;
  const bool implied = GENERATE(false, true);
  const bool beyond = GENERATE(false, true);
  const Pasid asked(beyond ? 8192 : 8191);  // PDTS 0: 128 directory entries of 64
  LoneIommu lone({}, {});
  lone.port().source = Bdf(0x300);
  lone.port().pasid = implied ? no_pasid : asked;
  vtd::ScalableContext context;
  context.pasid_enable = true;
  if (implied) context.rid_pasid = asked;
  lone.unit().tables().attach(lone.port().source, 64, context);
  const Reason refused = implied ? Reason::sm_rid_pasid : Reason::sm_pasid_too_large;
  CHECK(vtd::reason_of(lone.answer(0).fault) ==
        (beyond ? refused : Reason::sm_directory_not_present));
}

TEST_CASE("marking first-stage entries marks the pages of their tables dirty", "[models][iommu]") {
  const bool marks = GENERATE(false, true);
  LoneIommu lone({}, {.type = Type::nested, .second_updates = marks});
  PagedSpace& space = lone.space();
  space.map(0, Hpa(0x5000'0000));
  constexpr std::uint64_t dirty = 1U << 9U;
  const auto leaf_of_table = [&](unsigned level) {
    const Hpa table = space.first_entry(0, level).page_base(page_4k);
    Iova guest(0x4000'0000);
    while (*space.second().find(guest) != table) guest = guest + page_4k;
    return space.second_entry(guest, 1);
  };
  std::vector<Hpa> tables;
  for (const unsigned level : {1U, 2U, 3U, 4U}) tables.push_back(leaf_of_table(level));
  const Hpa page = space.second_entry(space.guest(0), 1);
  for (const Hpa leaf : tables) lone.memory().write(leaf, lone.memory().read(leaf) & ~dirty);
  lone.memory().write(page, lone.memory().read(page) & ~dirty);
  CHECK_FALSE(lone.answer(0).faulted());
  for (const Hpa leaf : tables) CHECK(((lone.memory().read(leaf) & dirty) != 0) == marks);
  CHECK((lone.memory().read(page) & dirty) == 0);  // it was only read itself
}

TEST_CASE("reads of a walk that the last-level cache answers take less", "[models][iommu]") {
  vtd::UnitParams params;
  params.merge_walks = false;
  params.walk_llc_hit = GENERATE(0.0, 0.5, 1.0);
  params.iotlb.entries = 1;
  LoneIommu lone(params, {});
  for (std::uint64_t page = 0; page < 64; ++page) lone.space().map(page, Hpa(0x5000'0000));
  lone.ask_alone(0);
  const Ps rest = 2ns + 2ns + 5ns;
  Ps sum(0);
  for (std::uint64_t page = 1; page < 64; ++page) {
    const Ps took = lone.ask_alone(page).after - rest;
    const std::int64_t fast = (Ps(4 * 80ns) - took) / Ps(55ns);
    CHECK(took == fast * Ps(25ns) + (4 - fast) * Ps(80ns));
    sum += took;
  }
  const std::int64_t mean = sum.count() / (63 * 4);
  const std::int64_t expected = params.walk_llc_hit == 0.0   ? 80'000
                                : params.walk_llc_hit == 1.0 ? 25'000
                                                             : 52'500;
  CHECK(std::abs(mean - expected) <= (params.walk_llc_hit == 0.5 ? 6'000 : 0));
}
