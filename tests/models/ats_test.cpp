// Address Translation Services: latencies against the sum of their parts, rights, sizes, refusals, and
// invalidations that race with translations.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "tests/support/ats_rig.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

// Latencies that tell themselves apart in any sum.
RigParams telling() {
  RigParams params;
  params.iommu.context_cache.latency = 1ns;
  params.iommu.pasid_cache.latency = 10ns;
  params.iommu.iotlb.latency = 100ns;
  params.iommu.walk_read = 1us;
  return params;
}
// A request that fills all caches of the IOMMU, by somebody else with the device's id.
struct Untranslated : WalkClient {
  void send(AtsRig& rig) {
    port.source = rig.source();
    port.pasid = AtsRig::pasid;
    Iommu& iommu = rig.rig.iommu();
    iommu.start_walk(port, Iova(0), Access::read, iommu.use_now(), *this, 0);
  }
  void walked(std::uint64_t, const WalkResult&) override {}
  IommuPort port;
};

constexpr LinkParams long_link{100us};
constexpr Ps memory = 10us;

AtsRig::Options telling_device() {
  AtsRig::Options options;
  options.ats.tlb.latency = 10ms;
  options.ats.completion = 1ms;
  options.link = long_link;
  return options;
}

}  // namespace

TEST_CASE("an unloaded request with ATS takes the sum of its parts", "[models][ats]") {
  AtsRig rig(telling());
  rig.memory_latency = memory;
  const PageTable& table = rig.rig.new_space(Iova(0), 8_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  // Page 0 cold, page 0 again; then its translation is forgotten by the device and not by the IOMMU.
  DmaParams dma = one_per_page(1, 3);
  AtsDevice& device = rig.add(dma, telling_device());
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.rig.engine.sleep_until(Instant(15ms));  // while the second one is on its way
    device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 0});
  });
  rig.run();
  REQUIRE(rig.ended.all.size() == 3);
  const Ps trip = 2 * 100us;                   // there and back
  const Ps translated = trip + 1ns + memory;   // link, context cache, memory, link
  const Ps cold = 10ms                         // device TLB
                  + trip + 1ns + 8 * 1us       // link, context cache, walk of 4 + 4 reads, link
                  + 1ms;                       // completion
  const Ps hit = 10ms;                         // device TLB
  const Ps warm = 10ms                         // device TLB
                  + trip + 1ns + 10ns + 100ns  // link, context, PASID cache, IOTLB, link
                  + 1ms;                       // completion
  CHECK(rig.ended.all[0].took == cold + translated);
  CHECK(rig.ended.all[1].took == hit + translated);
  CHECK(rig.ended.all[2].took == warm + translated);
  CHECK(device.translation_latency.max() == trip + 1ns + 8us);
  CHECK(device.translation_latency.min() == trip + 111ns);
  CHECK(rig.rig.iommu().stats.requests == 2);  // translated requests are none that translate
}

TEST_CASE("the default round trip of a translation request that hits is 459 ns with its completion",
          "[models][ats]") {
  AtsRig rig;
  const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  AtsRig::Options options;
  options.ats.tlb.entries = 1;
  AtsDevice& device = rig.add(one_per_page(1, 2), options);
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.rig.engine.sleep_until(Instant(1100ns));
    device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 0});
  });
  rig.run();
  // Two links, context and PASID cache, IOTLB, completion.
  CHECK(device.translation_latency.min() + options.ats.completion ==
        2 * 200ns + 2 * 2ns + 5ns + 50ns);
}

TEST_CASE("a translated request is checked by a walk when the context is not known",
          "[models][ats]") {
  AtsRig rig(telling());
  rig.memory_latency = memory;
  const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  rig.add(one_per_page(1, 2), telling_device());
  SECTION("and allowed") {
    rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
      rig.rig.engine.sleep_until(Instant(15ms));
      rig.rig.iommu().drop_all();
    });
    rig.run();
    REQUIRE(rig.ended.all.size() == 2);
    // Root and context are read, and nothing else.
    CHECK(rig.ended.all[1].took == 10ms + 2 * 100us + 1ns + 2us + memory);
    CHECK(rig.ended.all[1].hpa == 0x100000);
  }
  SECTION("and refused when ATS was disabled meanwhile, whether the context is known or not") {
    const bool warm = GENERATE(false, true);
    Untranslated untranslated;
    rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
      rig.rig.engine.sleep_until(Instant(15ms));
      rig.rig.unit().tables().detach(rig.source());
      rig.attach(rig.source(), table, {.translations = false});
      rig.rig.iommu().drop_all();
      if (warm) untranslated.send(rig);
    });
    rig.run();
    REQUIRE(rig.ended.all.size() == 2);
    CHECK(rig.ended.all[1].code ==
          outcome_fault(static_cast<std::uint16_t>(vtd::FaultReason::sm_device_tlb_disabled)));
  }
}

TEST_CASE("ATS that the context entry does not allow is refused, whatever the caches know",
          "[models][ats]") {
  AtsRig rig;
  const PageTable& table = rig.rig.new_space(Iova(0), 8_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table, {.translations = false});
  AtsDevice& device = rig.add(one_per_page(2, 4), {.start = Instant(10us)});
  const bool warm = GENERATE(false, true);
  Untranslated untranslated;
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    if (warm) untranslated.send(rig);
  });
  rig.run();
  CHECK((rig.rig.iommu().iotlb_stats().insertions == 1) == warm);
  CHECK(device.stats.aborted == 4);
  CHECK(device.tlb().size() == 0);
  for (const Ended& ended : rig.ended.all) {
    CHECK(ended.code ==
          outcome_fault(static_cast<std::uint16_t>(vtd::FaultReason::sm_device_tlb_disabled)));
  }
  CHECK(rig.rig.iommu().stats.faults == 4);
}

TEST_CASE("lacking rights end a request without page requests, and are not cached as others",
          "[models][ats]") {
  AtsRig rig;
  PageTable& table = rig.rig.new_space(Iova(0), 8_KiB, Hpa(0x100000), false);
  table.map(Iova(0), Hpa(0x100000), 1, {true, false});  // page 1 is absent
  rig.attach(rig.source(), table);
  SECTION("reads") {
    AtsDevice& device = rig.add(one_per_page(2, 4), {});
    rig.run();
    CHECK(device.stats.aborted == 2);
    CHECK(device.stats.hits == 1);
    CHECK(device.tlb().size() == 1);
  }
  SECTION("writes") {
    AtsDevice& device = rig.add(one_per_page(2, 4, Direction::write), {});
    rig.run();
    CHECK(device.stats.aborted == 4);
    CHECK(device.stats.hits == 0);
    CHECK(device.tlb().size() == 1);
  }
  CHECK(rig.rig.iommu().stats.faults == 0);  // no access is an answer
}

TEST_CASE("a write after a read asks again when the entry is for reading", "[models][ats]") {
  AtsRig rig;
  PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000), false);
  table.map(Iova(0), Hpa(0x100000), 1, {true, false});
  rig.attach(rig.source(), table);
  AtsRig::Options later;
  later.start = Instant(10us);
  AtsDevice& reader = rig.add(one_per_page(1, 1), {});
  AtsDevice& writer = rig.add(one_per_page(1, 1, Direction::write), later);
  rig.attach(rig.source(1), table);
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.rig.engine.sleep_until(Instant(5us));
    table.map(Iova(0), Hpa(0x100000), 1, {true, true});  // more rights need no invalidation
  });
  rig.run();
  CHECK(reader.stats.aborted == 0);
  CHECK(writer.stats.aborted == 0);  // the IOTLB's entry was too strict: walked again
}

TEST_CASE("large pages come with their size, and one translation serves all of them",
          "[models][ats]") {
  const unsigned level = GENERATE(2U, 3U);
  AtsRig rig;
  const Iova base(std::uint64_t{1} << 40U);
  PageTable& table = rig.rig.new_space(base, 1_GiB, Hpa(0), false);
  table.map(base, Hpa(std::uint64_t{1} << 36U), leaf_size(level).count() >> 12U, {true, true},
            level);
  rig.attach(rig.source(), table);
  AtsRig::Options options;
  options.base = base;
  AtsDevice& device = rig.add(one_per_page(512, 512), options);
  rig.run();
  CHECK(device.stats.translations == 1);
  CHECK(device.stats.hits == 511);
  CHECK(rig.ended.all.back().hpa == (std::uint64_t{1} << 36U) + 511 * 4096);
}

TEST_CASE("interrupts of a function without PASIDs are written untranslated", "[models][ats]") {
  AtsRig rig;
  const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  AtsRig::Options options;
  options.base = Iova(0xfee0'0000);
  options.pasid = no_pasid;
  AtsDevice& device = rig.add(one_per_page(1, 2, Direction::write), options);
  rig.run();
  CHECK(device.stats.untranslated == 2);
  CHECK(device.stats.translations == 1);
  CHECK(device.stats.aborted == 0);
  CHECK(rig.ended.all.at(1).hpa == 0xfee0'0000);
}

TEST_CASE("a large page of which a part is messages is told in small ones", "[models][ats]") {
  AtsRig rig;
  const Iova base(0xfee0'0000);
  PageTable& table = rig.rig.new_space(base, 2_MiB, Hpa(0), false);
  constexpr std::uint64_t frames = std::uint64_t{1} << 36U;
  table.map(base, Hpa(frames), 512, {true, true}, 2);
  rig.attach(rig.source(), table);
  AtsRig::Options options;
  options.base = base;
  options.pasid = no_pasid;
  DmaParams dma = one_per_page(512, 400, Direction::write);
  dma.traffic.pattern = Pattern::uniform;
  const AtsDevice& device = rig.add(dma, options);
  rig.run();
  std::uint64_t messages = 0;
  for (const Ended& one : rig.ended.all) {
    const bool message = one.iova < 0xfef0'0000;
    if (message) ++messages;
    CHECK(one.hpa == (message ? one.iova : frames + (one.iova - base.value())));
  }
  CHECK(messages > 100);
  CHECK(device.stats.untranslated == messages);
}

namespace {

// A device uses page 0 three times. It is told to forget before the second time, so that it asks again:
// its request meets the IOTLB at 1778 ns, and the answer leaves at 1787 ns. Meanwhile software moves the
// page, and tells the IOMMU; the device hears of it when it is told, with ITag 3.
constexpr Ps looked_up = 1778ns;
constexpr Ps answer_leaves = 1787ns;
constexpr std::uint64_t old_place = 0x100000;
constexpr std::uint64_t new_place = 0x900000;

struct Race {
  std::vector<Ended> ended;
  AtsStats stats;
  std::vector<std::pair<Ps, std::uint32_t>> answers;
};

Race race(Ps told, AtsMisbehaviour wrong = {}, Direction direction = Direction::read) {
  AtsRig rig;
  PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(old_place));
  rig.attach(rig.source(), table);
  AtsRig::Options options;
  options.ats.misbehaviour = wrong;
  AtsDevice& device = rig.add(one_per_page(1, 3, direction), options);
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.rig.engine.sleep_until(Instant(1200ns));
    device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 1});
    rig.rig.engine.sleep_until(Instant(looked_up + Ps(1)));
    table.map(Iova(0), Hpa(new_place), 1, {true, true});
    rig.rig.iommu().drop_all();
    rig.rig.engine.sleep_until(Instant(told));
    device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 3});
  });
  rig.run();
  return {rig.ended.all, device.stats, rig.host.answers};
}

}  // namespace

TEST_CASE("a completion that an invalidation overtook is not used", "[models][ats]") {
  const Race overtaken = race(GENERATE(looked_up + Ps(1), answer_leaves - Ps(1)));
  CHECK(overtaken.stats.overtaken == 1);
  CHECK(overtaken.ended.at(0).hpa == old_place);
  CHECK(overtaken.ended.at(1).hpa == new_place);
  CHECK(overtaken.ended.at(2).hpa == new_place);
}

TEST_CASE("an invalidation overtakes a completion also after a translation was refused",
          "[models][ats]") {
  AtsRig rig;
  PageTable& table = rig.rig.new_space(Iova(0), 8_KiB, Hpa(old_place));
  table.unmap(Iova(0), 1);
  rig.attach(rig.source(), table);
  AtsDevice& device = rig.add(one_per_page(2, 2), {});
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    while (device.stats.translations < 2) rig.rig.engine.sleep_for(1ns);
    device.invalidate({Iova(0x1000), page_4k, AtsRig::pasid, false, 1});
  });
  rig.run();
  CHECK(device.stats.aborted == 1);
  CHECK(device.stats.overtaken == 1);
}

TEST_CASE("a completion before an invalidation is used, and its read is waited for",
          "[models][ats]") {
  const Race used = race(answer_leaves + Ps(1));
  CHECK(used.stats.overtaken == 0);
  CHECK(used.ended.at(1).hpa == old_place);
  CHECK(used.ended.at(2).hpa == new_place);
  // The first answer waited for the first read; the second leaves when the second read is back.
  REQUIRE(used.answers.size() == 2);
  CHECK(used.answers[0] == std::pair(Ps(1200ns + 200ns + 300ns + 200ns), 1U << 1U));
  CHECK(used.answers[1] == std::pair(used.ended[1].at + 200ns, 1U << 3U));
  CHECK(used.ended[1].at > answer_leaves + 200ns + 300ns);
}

TEST_CASE("a posted write is pushed by the answer, which does not wait for it", "[models][ats]") {
  const Race used = race(answer_leaves + Ps(1), {}, Direction::write);
  CHECK(used.ended.at(1).hpa == old_place);
  CHECK(used.answers.at(1).first == answer_leaves + Ps(1) + 200ns + 300ns + 200ns);
}

TEST_CASE("a write that has looked up its translation leaves before the answer", "[models][ats]") {
  static constexpr Ps look_up = 1us;
  const auto run = [](Ps told) {
    AtsRig rig;
    const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
    rig.attach(rig.source(), table);
    AtsRig::Options options;
    options.ats.tlb.latency = look_up;
    options.ats.invalidation = 10ns;
    AtsDevice& device = rig.add(one_per_page(1, 2, Direction::write), options);
    if (told > Ps(0)) {
      rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
        rig.rig.engine.sleep_until(Instant(told));
        device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 3});
      });
    }
    rig.run();
    return std::pair(rig.ended.all, rig.host.answers);
  };
  const Ps issued = run(Ps(0)).first.at(1).at - run(Ps(0)).first.at(1).took;
  const auto answers = run(issued + 100ns).second;  // arrives 200 ns later
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].first == issued + look_up + 200ns);
}

TEST_CASE("an invalidation that nothing uses is answered after its own time", "[models][ats]") {
  AtsRig rig;
  AtsDevice& device = rig.add(one_per_page(1, 1), {.start = Instant(1ms)});
  const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    for (std::uint8_t tag = 0; tag < 32; ++tag)
      device.invalidate({Iova(0), page_4k, no_pasid, true, tag});
  });
  rig.run();
  REQUIRE(rig.host.answers.size() == 32);
  for (std::uint8_t tag = 0; tag < 32; ++tag) {
    CHECK(rig.host.answers[tag].first == 200ns + 300ns + 200ns);
    CHECK(rig.host.answers[tag].second == std::uint32_t{1} << tag);
  }
}

TEST_CASE("an order that lets the device refill from a stale IOTLB leaves an old address in use",
          "[models][ats]") {
  // First the device, then the IOMMU: DOMAIN 4.2's ordering law, broken.
  const auto last_place = [](bool device_first) {
    AtsRig rig;
    PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
    rig.attach(rig.source(), table);
    DmaParams dma = one_per_page(1, 200);
    AtsDevice& device = rig.add(dma, {});
    const auto tell_device = [&] {
      device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 0});
      rig.rig.engine.sleep_for(5us);
    };
    rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
      rig.rig.engine.sleep_until(Instant(10us));
      table.map(Iova(0), Hpa(0x900000), 1, {true, true});
      if (device_first) tell_device();
      rig.rig.iommu().drop_all();
      if (!device_first) tell_device();
    });
    rig.run();
    return rig.ended.all.back().hpa;
  };
  CHECK(last_place(false) == new_place);
  CHECK(last_place(true) == old_place);
}

TEST_CASE("what a device that breaks the rules of invalidation does", "[models][ats]") {
  const Ps told = answer_leaves + Ps(1);
  SECTION("uses a stale address after it has answered") {
    const Race wrong = race(told, {.keep_invalidated = true});
    REQUIRE(wrong.answers.size() == 2);
    CHECK(wrong.ended.at(2).at > wrong.answers[1].first);
    CHECK(wrong.ended.at(2).hpa == old_place);
  }
  SECTION("never answers") {
    const Race wrong = race(told, {.never_answer = true});
    CHECK(wrong.answers.empty());
    CHECK(wrong.ended.at(2).hpa == new_place);
  }
  SECTION("answers twice") {
    const Race wrong = race(told, {.answer_twice = true});
    REQUIRE(wrong.answers.size() == 4);
    CHECK(wrong.answers[2] == wrong.answers[3]);
  }
}
