// What a request takes, term by term; what walkers can do at most; how long the queue for them is.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"
#include "tests/support/terms.hpp"

#include <array>

using namespace viosim;
using namespace viosim::test;

using Type = vtd::PasidEntry::Type;

namespace {

void clear_accessed_and_dirty(LoneIommu& lone) {
  const SpaceShape& shape = lone.space().shape();
  const auto clear = [&](Hpa at, TableFormat format) {
    lone.memory().write(at, lone.memory().read(at) & ~(accessed_bit(format) | dirty_bit(format)));
  };
  for (unsigned level = 1; level <= 4; ++level) {
    if (shape.first()) clear(lone.space().first_entry(0, level), TableFormat::first_level);
    const Iova at = shape.nested() ? lone.space().guest(0) : lone.space().iova(0);
    if (shape.second()) clear(lone.space().second_entry(at, level), TableFormat::second_level);
  }
}

}  // namespace

TEST_CASE("cold, then found: each kind of space takes the sum of its parts",
          "[models][iommu][closed]") {
  struct Case {
    vtd::Mode mode;
    Type type;
    unsigned reads, hit_pasid;
  };
  const Case c = GENERATE(Case{vtd::Mode::legacy, Type::second_level, 6, 0},
                          Case{vtd::Mode::scalable, Type::second_level, 8, 1},
                          Case{vtd::Mode::scalable, Type::first_level, 8, 1},
                          Case{vtd::Mode::scalable, Type::nested, 28, 1});
  LoneIommu lone(telling(c.mode), {.type = c.type});
  lone.space().map(0, Hpa(0x5000'0000));
  if (lone.space().shape().first()) lone.ask_alone(0);  // sets accessed once
  lone.iommu().drop_all();
  check(lone.ask_alone(0), {.context = 1, .reads = c.reads});
  const LoneIommu::Told hit = lone.ask_alone(0);
  CHECK(hit.hit);
  check(hit, {.context = 1, .pasid = c.hit_pasid, .iotlb = 1});
  Invalidation translations;  // context and PASID caches stay
  lone.iommu().apply(translations);
  const unsigned pages = c.type == Type::nested ? 24 : 4;
  check(lone.ask_alone(0), {.context = 1, .pasid = c.hit_pasid, .iotlb = 1, .reads = pages});
}

TEST_CASE("pass-through needs the tables that say so, once", "[models][iommu][closed]") {
  LoneIommu lone(telling(vtd::Mode::scalable), {});
  vtd::PasidEntry entry = lone.space().entry();
  entry.type = Type::pass_through;
  lone.bind(entry);
  check(lone.ask_alone(0), {.context = 1, .reads = 4});
  check(lone.ask_alone(1), {.context = 1, .pasid = 1, .iotlb = 1});
}

TEST_CASE("a look-up in the walk caches spares the reads above it", "[models][iommu][closed]") {
  SECTION("one stage") {
    const Type type = GENERATE(Type::first_level, Type::second_level);
    LoneIommu lone(telling(vtd::Mode::scalable, true), {.type = type});
    lone.space().map(0, Hpa(0x5000'0000));
    lone.space().map(1, Hpa(0x6000'0000));
    if (lone.space().shape().first()) lone.ask_alone(0);
    lone.iommu().drop_all();
    check(lone.ask_alone(0), {.context = 1, .look_ups = 1, .reads = 8});
    check(lone.ask_alone(1), {.context = 1, .pasid = 1, .iotlb = 1, .look_ups = 1, .reads = 1});
  }
  SECTION("nested") {
    LoneIommu lone(telling(vtd::Mode::scalable, true), {.type = Type::nested});
    lone.space().map(0, Hpa(0x5000'0000));
    lone.space().map(1, Hpa(0x6000'0000));
    lone.ask_alone(0);
    lone.iommu().drop_all();
    // One in the first stage; in the second for four tables and the page.
    check(lone.ask_alone(0), {.context = 1, .look_ups = 6, .reads = 28});
    check(lone.ask_alone(1), {.context = 1, .pasid = 1, .iotlb = 1, .look_ups = 2, .reads = 2});
  }
}

TEST_CASE("accessed and dirty take one update for each entry", "[models][iommu][closed]") {
  LoneIommu first(telling(vtd::Mode::scalable), {.type = Type::first_level});
  first.space().map(0, Hpa(0x5000'0000));
  clear_accessed_and_dirty(first);
  check(first.ask_alone(0, Access::write), {.context = 1, .reads = 8, .updates = 4});
  LoneIommu second(telling(vtd::Mode::scalable), {.second_updates = true});
  second.space().map(0, Hpa(0x5000'0000));
  clear_accessed_and_dirty(second);
  check(second.ask_alone(0, Access::read), {.context = 1, .reads = 8, .updates = 4});
  // A write then sets dirty in the leaf.
  check(second.ask_alone(0, Access::write),
        {.context = 1, .pasid = 1, .iotlb = 1, .reads = 4, .updates = 1});
}

TEST_CASE("a miss that meets a walk of its page is answered an IOTLB look-up after it",
          "[models][iommu][closed]") {
  LoneIommu lone(telling(vtd::Mode::legacy), {});
  lone.space().map(0, Hpa(0x5000'0000));
  const std::size_t walks = lone.ask(0);
  std::size_t waits = 0;
  lone.at(50us, [&] { waits = lone.ask(0); });
  lone.run();
  check(lone.told(walks), {.context = 1, .reads = 6});
  CHECK(lone.told(waits).after == Terms{.context = 1, .iotlb = 1, .reads = 6}.sum() - 50us);
}

TEST_CASE("who waited for a walker, and whose entries are known by then, is looked up in the IOTLB",
          "[models][iommu][closed]") {
  const bool merges = GENERATE(false, true);
  const auto mode = GENERATE(vtd::Mode::legacy, vtd::Mode::scalable);
  vtd::UnitParams params = telling(mode);
  params.merge_walks = merges;
  params.walkers = 1;
  LoneIommu lone(params, {});
  lone.space().map(0, Hpa(0x5000'0000));
  const std::size_t first = lone.ask(0);
  const std::size_t second = lone.ask(0);
  lone.run();
  const unsigned reads = mode == vtd::Mode::legacy ? 6 : 8;
  check(lone.told(first), {.context = 1, .reads = reads});
  check(lone.told(second), {.context = 1, .iotlb = 1, .reads = reads});
  CHECK(lone.iommu().stats.walk_reads == reads);
  CHECK(lone.iommu().iotlb_stats().misses == 1);
  CHECK(lone.iommu().iotlb_stats().hits == 1);
  // Known when it arrived, it was looked up then, and is not again.
  const std::size_t third = lone.ask(1);
  const std::size_t fourth = lone.ask(2);
  lone.run();
  CHECK(lone.told(third).result.faulted());
  CHECK(lone.told(fourth).result.faulted());
  CHECK(lone.iommu().iotlb_stats().misses == 3);
  CHECK(lone.iommu().translation_latency().count() == 4);
}

TEST_CASE("an interrupt message needs the device's address space and no page table",
          "[models][iommu][closed]") {
  LoneIommu lone(telling(vtd::Mode::scalable), {});
  lone.port().pasid = no_pasid;
  const Iova message(0xfee0'0000);
  check(lone.ask_alone_at(message, Access::write), {.context = 1, .reads = 4});
  check(lone.ask_alone_at(message, Access::write), {.context = 1, .pasid = 1, .iotlb = 1});
  check(lone.ask_alone_at(message, Access::read),
        {.context = 1, .pasid = 1, .iotlb = 1, .faults = 1});
}

TEST_CASE("a fault adds its record to the reads before it", "[models][iommu][closed]") {
  using Reason = vtd::FaultReason;
  LoneIommu lone(telling(vtd::Mode::scalable), {});
  lone.space().map(0, Hpa(0x5000'0000), {true, false});
  const auto check_fault = [&](Reason reason, unsigned reads, Iova iova, Access access) {
    lone.iommu().drop_all();
    const LoneIommu::Told told = lone.ask_alone_at(iova, access);
    CHECK(vtd::reason_of(told.result.fault) == reason);
    check(told, {.context = 1, .reads = reads, .faults = 1});
  };
  const Iova page(0);
  SECTION("root") {
    lone.port().source = Bdf(0x700);
    check_fault(Reason::sm_root_not_present, 1, page, Access::read);
  }
  SECTION("context") {
    lone.port().source = Bdf(0x101);
    check_fault(Reason::sm_context_not_present, 2, page, Access::read);
  }
  SECTION("PASID beyond the table") {
    lone.port().pasid = Pasid(0xfffff);
    check_fault(Reason::sm_pasid_too_large, 2, page, Access::read);
  }
  SECTION("directory") {
    lone.port().pasid = Pasid(640);
    check_fault(Reason::sm_directory_not_present, 3, page, Access::read);
  }
  SECTION("PASID entry") {
    lone.port().pasid = Pasid(6);
    check_fault(Reason::sm_pasid_entry_not_present, 4, page, Access::read);
  }
  SECTION("beyond the width") {
    check_fault(Reason::sm_second_level_beyond_width, 4, Iova(1ULL << 50U), Access::read);
  }
  SECTION("a level of the page table") {
    const unsigned level = GENERATE(4U, 3U, 2U, 1U);
    lone.memory().write(lone.space().second_entry(page, level), 0);
    check_fault(Reason::sm_second_level_denied, 9 - level, page, Access::read);
  }
  SECTION("no permission to write") {
    check_fault(Reason::sm_write_denied, 8, page, Access::write);
  }
  SECTION("reserved bits") {
    lone.memory().write(lone.space().second_entry(page, 4), 0x83);
    check_fault(Reason::sm_second_level_reserved, 5, page, Access::read);
  }
}

TEST_CASE("saturated walkers give walkers per walk, nested too, the queue obeys Little's law",
          "[models][iommu][closed]") {
  const Type type = GENERATE(Type::second_level, Type::nested);
  const unsigned walkers = GENERATE(1U, 3U);
  vtd::UnitParams params;
  params.context_cache.latency = params.pasid_cache.latency = params.iotlb.latency = 0ns;
  params.walk_read = 10ns;
  params.walkers = walkers;
  params.merge_walks = false;
  LoneIommu lone(params, {.type = type});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.ask_alone(0);  // accessed is set, context and PASID entry are known
  const Instant began = lone.now();
  const std::uint64_t wait_before = lone.iommu().stats.walk_wait;
  lone.iommu().apply({});
  constexpr int requests = 300;
  const Ps walk = (type == Type::nested ? 24 : 4) * params.walk_read;
  // A request a nanosecond, each for a page that is not cached: forgotten at once.
  for (int i = 0; i < requests; ++i) {
    lone.at(i * 1ns, [&] {
      lone.iommu().apply({});
      lone.ask(0);
    });
  }
  // The length between two nanoseconds, where nothing happens.
  const auto end = requests * walk.count() / walkers / 1000 + 1000;
  std::uint64_t waiting = 0;
  for (std::int64_t t = 0; t < end; ++t)
    lone.at(Ps(t * 1000 + 500), [&] { waiting += lone.iommu().walks_waiting(); });
  Instant last = began;
  for (std::int64_t t = 1; t <= end; ++t) {
    lone.at(Ps(t * 1000 + 1), [&] {
      if (lone.iommu().walks_waiting() != 0) last = lone.now();
    });
  }
  lone.run();
  const std::uint64_t waited = lone.iommu().stats.walk_wait - wait_before;
  CHECK(waited == waiting * 1000);
  // The last walk begins when all before it have had their turn.
  const Ps turns = (requests - 1) / walkers * walk;
  CHECK(last - began <= turns + walkers * 1ns);
  CHECK(last - began >= turns - 1ns);
}

// Three wait for the walk of an absent page; one of another page comes last, and has the walker that is free next.
TEST_CASE("what another walk leaves without an answer lines up for walkers, and walks once",
          "[models][iommu][closed]") {
  const unsigned walkers = GENERATE(1U, 4U);
  vtd::UnitParams params;
  params.context_cache.latency = params.pasid_cache.latency = params.iotlb.latency = 0ns;
  params.walk_read = 10ns;
  params.walkers = walkers;
  LoneIommu lone(params, {.type = Type::second_level});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.ask_alone(0);
  lone.iommu().apply({});
  const IommuStats before = lone.iommu().stats;
  constexpr Ps walk = 40ns;
  std::array<std::size_t, 5> asked{};
  for (std::size_t i = 0; i < 5; ++i)
    lone.at(static_cast<int>(i) * 1ns, [&, i] { asked[i] = lone.ask(i == 4 ? 0 : 1); });
  lone.run();
  const auto answered = [&](std::size_t i) {  // since the first one came
    return lone.told(asked[i]).after + static_cast<int>(i) * 1ns;
  };
  const bool in_turn = walkers == 1;
  CHECK(answered(0) == walk + params.fault_record);
  CHECK(answered(4) == (in_turn ? 2 * walk : 4ns + walk));
  for (std::size_t i = 1; i < 4; ++i) {
    CHECK(lone.told(asked[i]).result.faulted());
    const int walks_before = in_turn ? 1 + static_cast<int>(i) : 1;
    CHECK(answered(i) == (walks_before + 1) * walk + params.fault_record);
  }
  const IommuStats& stats = lone.iommu().stats;
  CHECK(stats.walks_merged - before.walks_merged == 3);
  CHECK(stats.walks_queued - before.walks_queued == (in_turn ? 4 : 0));
  CHECK(stats.walk_wait - before.walk_wait == (in_turn ? 276'000U : 0U));  // 36 + 40 + 80 + 120 ns
}

// Two walkers are busy with other pages while many wait for an absent one; at its turn one of them walks, and the
// others line up once more.
TEST_CASE("a miss that lines up for a walker twice has waited, and is counted once",
          "[models][iommu][closed]") {
  vtd::UnitParams params;
  params.walkers = 2;
  LoneIommu lone(params, {.type = Type::second_level});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.space().map(1, Hpa(0x5000'1000));
  const IommuStats before = lone.iommu().stats;
  constexpr std::uint64_t waiting = 64;
  for (std::uint64_t i = 0; i < waiting + 2; ++i)
    lone.at(static_cast<int>(i) * 1ns, [&, i] { lone.ask(std::min<std::uint64_t>(i, 2)); });
  lone.run();
  CHECK(lone.iommu().stats.faults - before.faults == waiting);
  CHECK(lone.iommu().stats.walks_merged - before.walks_merged == waiting - 1);
  CHECK(lone.iommu().stats.walks_queued - before.walks_queued == waiting);
}

TEST_CASE("where misses are not merged each walks, in caching mode, too",
          "[models][iommu][closed]") {
  const bool caching_mode = GENERATE(false, true);
  vtd::UnitParams params;
  params.walkers = 1;
  params.merge_walks = false;
  params.caching_mode = caching_mode;
  LoneIommu lone(params, {.type = Type::second_level});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.ask_alone(0);
  lone.iommu().apply({});
  const std::uint64_t before = lone.iommu().stats.walk_reads;
  constexpr std::uint64_t asked = 5;
  for (std::uint64_t i = 0; i < asked; ++i)
    lone.at(static_cast<int>(i) * 1ns, [&] { lone.ask(0); });
  lone.run();
  CHECK(lone.iommu().stats.walk_reads - before == asked * 4);
}
