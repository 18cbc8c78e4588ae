// Latencies against the sum of their parts, walkers against the closed form, invalidation against its
// scope.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/rig.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

// Latencies that tell themselves apart in any sum.
RigParams telling(vtd::Mode mode, IotlbTag tag) {
  RigParams params;
  params.iommu.mode = mode;
  params.iommu.iotlb_tag = tag;
  params.iommu.context_cache.latency = 1ns;
  params.iommu.pasid_cache.latency = 10ns;
  params.iommu.iotlb.latency = 100ns;
  params.iommu.walk_read = 1us;
  params.memory_latency = 10us;
  return params;
}

// Issue to completion of a device's requests, one after the other.
class Latencies : public TraceSink {
 public:
  std::vector<TraceEvent> take(std::vector<TraceEvent> events) override {
    for (const TraceEvent& event : events) {
      if (event.kind == static_cast<std::uint16_t>(EventKind::translate))
        all.push_back(Ps(event.duration));
    }
    return {};
  }
  std::vector<Ps> all;
};

std::vector<Ps> latencies_of_two_requests(vtd::Mode mode, IotlbTag tag) {
  Latencies latencies;
  Rig rig(telling(mode, tag), &latencies);
  const PageTable& table = rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(Rig::source_of(0), table, DomainId(2));
  DmaParams dma;
  dma.traffic.window = 4_KiB;
  dma.requests = 2;
  rig.add_device(dma, Iova(0), no_pasid, {100us});
  rig.engine.run();
  rig.tracer().finish();
  return latencies.all;
}

}  // namespace

TEST_CASE("an unloaded request takes the sum of its parts", "[models][iommu]") {
  const Ps way = 2 * 100us + 10us;  // there, memory, back
  SECTION("legacy") {
    // Cold: context cache, root, context, four levels. Then: context cache, IOTLB.
    CHECK(latencies_of_two_requests(vtd::Mode::legacy, IotlbTag::domain) ==
          std::vector<Ps>{way + 1ns + 6us, way + 101ns});
  }
  SECTION("scalable") {
    // Cold: context cache, then root, context, directory, PASID entry, four levels.
    CHECK(latencies_of_two_requests(vtd::Mode::scalable, IotlbTag::domain) ==
          std::vector<Ps>{way + 1ns + 8us, way + 111ns});
  }
  SECTION("legacy, found by source") {
    CHECK(latencies_of_two_requests(vtd::Mode::legacy, IotlbTag::source) ==
          std::vector<Ps>{way + 101ns + 6us, way + 100ns});
  }
}

TEST_CASE("misses beyond the walkers wait for one, so throughput is walkers per walk",
          "[models][iommu]") {
  const std::uint32_t walkers = GENERATE(1U, 2U, 3U);
  RigParams params;
  params.iommu.mode = vtd::Mode::legacy;
  params.iommu.walkers = walkers;
  params.iommu.iotlb.entries = 1;
  Rig rig(params);
  constexpr std::uint32_t devices = 12;
  constexpr std::uint64_t requests = 500;
  for (std::uint32_t d = 0; d < devices; ++d) {
    const Iova base(std::uint64_t{d} << 30U);
    const PageTable& table = rig.new_space(base, 8_MiB, Hpa(std::uint64_t{1} << 36U));
    rig.attach(Rig::source_of(d), table, DomainId(static_cast<std::uint16_t>(2 + d)));
    DmaParams dma;
    dma.traffic.window = 8_MiB;
    dma.traffic.request = 4_KiB;
    dma.traffic.pattern = Pattern::sequential;
    dma.requests = requests;
    rig.add_device(dma, base);
  }
  rig.engine.run();
  // Four reads a walk, two more for each device's first. The walkers are never idle once all devices
  // have asked, up to the last walks.
  const auto reads = static_cast<std::int64_t>(devices * (requests * 4 + 2));
  CHECK(rig.iommu().stats.walk_reads == static_cast<std::uint64_t>(reads));
  const Ps busy = reads * params.iommu.walk_read / walkers;
  CHECK(rig.engine.now().since_start() >= busy);
  CHECK(rig.engine.now().since_start() < busy + 2us);
}

TEST_CASE("an answer is there at its instant and not a picosecond earlier", "[models][iommu]") {
  RigParams params;
  params.iommu.mode = vtd::Mode::legacy;
  Rig rig(params);
  const PageTable& table = rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(Rig::source_of(0), table, DomainId(2));
  DmaParams dma;
  dma.traffic.window = 4_KiB;
  dma.requests = 1;
  rig.add_device(dma, Iova(0));
  // Link, context cache, six reads: the fill.
  const Instant filled(200ns + 2ns + 6 * 80ns);
  std::vector<std::uint64_t> insertions;
  rig.engine.spawn("watch", Lifetime::finishes, [&] {
    // Software runs before hardware: at the instant itself it still sees the state before.
    for (const Instant at : {filled - Ps(1), filled, filled + Ps(1)}) {
      rig.engine.sleep_until(at);
      insertions.push_back(rig.iommu().iotlb_stats().insertions);
    }
  });
  rig.engine.run();
  CHECK(insertions == std::vector<std::uint64_t>{0, 0, 1});
}

namespace {

// The answer to one request, and what became of the walk.
struct OneWalk : WalkClient {
  void walked(std::uint64_t, const WalkResult& answer) override { result = answer; }
  WalkResult result;
  std::uint64_t reads = 0;
};

// A cold walk of six reads begins at the start; software writes a word of the tables at the instants
// given.
struct LateWrite {
  Ps at;
  unsigned level;  // of the table that has the entry
  std::uint64_t bits;
};

OneWalk walk_while(const std::vector<LateWrite>& writes) {
  RigParams params;
  params.iommu.mode = vtd::Mode::legacy;
  Rig rig(params);
  const PageTable& table = rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(Rig::source_of(0), table, DomainId(2));
  std::vector<Hpa> entries(5);  // of address 0, by level: the first of each table
  entries[4] = table.root();
  for (unsigned level = 4; level > 1; --level)
    entries[level - 1] = TableEntry{rig.memory.read(entries[level])}.address(table.format());
  IommuPort port;
  port.source = Rig::source_of(0);
  OneWalk walk;
  rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.iommu().start_walk(port, Iova(0), Access::read, rig.iommu().use_now(), walk, 0);
    for (const LateWrite& write : writes) {
      rig.engine.sleep_until(Instant(write.at));
      rig.memory.write(entries[write.level], write.bits);
    }
  });
  rig.engine.run();
  walk.reads = rig.iommu().stats.walk_reads;
  return walk;
}

}  // namespace

TEST_CASE("each read of a walk sees memory as it is when the read returns", "[models][iommu]") {
  const auto returns = [](int read) -> Ps { return 2ns + read * 80ns; };  // after the context cache
  constexpr std::uint64_t elsewhere = 0x5000'0003;
  const Hpa there(0x100000);
  SECTION("the leaf, changed before its read returned, or at that instant") {
    const Ps at = GENERATE_COPY(returns(1), returns(3) + Ps(7), returns(6) - Ps(1), returns(6));
    const OneWalk walk = walk_while({{at, 1, elsewhere}});
    CHECK(walk.result.translation.page == Hpa(0x5000'0000));
    CHECK(walk.reads == 6);
  }
  SECTION("the leaf, changed a picosecond later") {
    CHECK(walk_while({{returns(6) + Ps(1), 1, elsewhere}}).result.translation.page == there);
  }
  SECTION("a table's entry, cleared when its read returned or later") {
    const OneWalk seen = walk_while({{returns(5), 2, 0}});
    CHECK(seen.result.fault == vtd::code_of(vtd::FaultReason::read_denied));
    CHECK(seen.reads == 5);
    const OneWalk missed = walk_while({{returns(5) + Ps(1), 2, 0}});
    CHECK(missed.result.translation.page == there);
    CHECK(missed.reads == 6);
  }
  SECTION("changed twice on the way, and changed back") {
    const std::uint64_t leaf = there.value() | 3U;
    const OneWalk walk = walk_while({{returns(2), 1, elsewhere},
                                     {returns(3), 4, 0},  // read when returns(3): refused
                                     {returns(5), 1, leaf}});
    CHECK(walk.result.fault == vtd::code_of(vtd::FaultReason::read_denied));
    CHECK(walk.reads == 3);
    const OneWalk restored = walk_while(
        {{returns(2), 3, 0}, {returns(4) - Ps(1), 3, 0x9000'0003}, {returns(4), 1, elsewhere}});
    CHECK(restored.reads == 5);  // the table at 0x90000000 is empty
  }
}

namespace {

struct Case {
  const char* what;
  vtd::DescriptorType type;
  vtd::Granularity granularity;
  std::uint16_t domain;
  std::uint64_t address;
  std::uint8_t mask;
  unsigned match_bits;
  std::vector<bool> survives;  // pages 0, 1, 7, 256 of domain 2; page 0 of domain 3
};

// The table of scopes.
std::vector<Case> scopes() {
  using vtd::DescriptorType;
  using vtd::Granularity;
  return {
      {"global",
       DescriptorType::iotlb,
       Granularity::global,
       9,
       0,
       0,
       52,
       {false, false, false, false, false}},
      {"domain",
       DescriptorType::iotlb,
       Granularity::domain,
       2,
       0,
       0,
       52,
       {false, false, false, false, true}},
      {"another domain",
       DescriptorType::iotlb,
       Granularity::domain,
       4,
       0,
       0,
       52,
       {true, true, true, true, true}},
      {"one page",
       DescriptorType::iotlb,
       Granularity::page,
       2,
       0x1000,
       0,
       52,
       {true, false, true, true, true}},
      {"eight pages",
       DescriptorType::iotlb,
       Granularity::page,
       2,
       0,
       3,
       52,
       {false, false, false, true, true}},
      {"eight pages, address unaligned",
       DescriptorType::iotlb,
       Granularity::page,
       2,
       0x5000,
       3,
       52,
       {false, false, false, true, true}},
      {"a page mask of eight bits",
       DescriptorType::iotlb,
       Granularity::page,
       2,
       0,
       0,
       8,
       {false, true, true, false, true}},
      {"a PASID's",
       DescriptorType::pasid_iotlb,
       Granularity::pasid,
       2,
       0,
       0,
       52,
       {false, false, false, false, true}},
      {"a PASID's page: of a first level only",
       DescriptorType::pasid_iotlb,
       Granularity::page,
       2,
       0x7000,
       0,
       52,
       {true, true, true, true, true}},
  };
}

// Two devices with a domain each, whose pages are cached; then the descriptor.
std::vector<bool> survivors_of(const Case& c) {
  RigParams params;
  params.iommu.page_match_bits = c.match_bits;
  Rig rig(params);
  const std::vector<std::uint64_t> pages = {0, 1, 7, 256};
  std::vector<IommuPort> ports(2);
  for (std::uint32_t d = 0; d < 2; ++d) {
    const PageTable& table = rig.new_space(Iova(0), 2_MiB, Hpa(std::uint64_t{1} << 36U));
    rig.attach(Rig::source_of(d), table, DomainId(static_cast<std::uint16_t>(2 + d)));
    ports[d].source = Rig::source_of(d);
  }
  struct Ignore : WalkClient {
    void walked(std::uint64_t, const WalkResult&) override {}
  } ignore;
  Hpa at;
  const auto cached = [&](std::uint32_t device, std::uint64_t page) {
    return rig.iommu().lookup(ports[device], Iova(page << 12U), Access::read, rig.iommu().use_now(),
                              at);
  };
  std::vector<bool> survives;
  rig.engine.spawn("software", Lifetime::finishes, [&] {
    for (std::uint32_t d = 0; d < 2; ++d) {
      for (const std::uint64_t page : pages) {
        if (cached(d, page)) continue;
        rig.iommu().start_walk(ports[d], Iova(page << 12U), Access::read, rig.iommu().use_now(),
                               ignore, 0);
        rig.engine.sleep_for(5us);
        REQUIRE(cached(d, page));
      }
    }
    vtd::Descriptor descriptor;
    descriptor.type = c.type;
    descriptor.granularity = c.granularity;
    descriptor.domain = DomainId(c.domain);
    descriptor.address = Iova(c.address);
    descriptor.address_mask = c.mask;
    rig.iommu().apply(*descriptor.invalidation());
    for (const std::uint64_t page : pages) survives.push_back(cached(0, page));
    survives.push_back(cached(1, 0));
  });
  rig.engine.run();
  return survives;
}

}  // namespace

TEST_CASE("an IOTLB descriptor removes what it covers and spares the rest", "[models][iommu]") {
  const Case c = GENERATE(from_range(scopes()));
  INFO(c.what);
  CHECK(survivors_of(c) == c.survives);
}
