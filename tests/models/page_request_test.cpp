// Page requests from the device to the kernel and back: latency as the sum of its parts, refusals,
// overflow; a function that is stopped, or reset.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/invalidation_driver.hpp"
#include "models/host/page_request_handler.hpp"
#include "tests/support/ats_rig.hpp"
#include "tests/support/catch.hpp"

#include <memory>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bytes window{std::uint64_t{64} << 12U};
constexpr Hpa frames{0x4000'0000};

// Functions on one address space of 64 pages or more, none mapped, and a kernel that maps what they ask for.
struct KernelRig {
  explicit KernelRig(const RigParams& params = {}, const HostKernelParams& costs = {},
                     bool by_descriptor = false, std::uint64_t pages = 64)
      : ats(params),
        driver(ats.rig.engine, ats.rig.memory, ats.rig.unit().queue(), costs.poll),
        kernel("kernel", costs, ats.rig.engine, ats.rig.fabric(), ats.rig.tracer(), 99, 1),
        table(ats.rig.new_space(Iova(0), Bytes(pages << 12U), frames, false)),
        handler("prq", costs, ats.rig.engine, kernel, ats.rig.unit().page_requests(),
                by_descriptor ? &driver : nullptr) {
    HostSpace of_all;
    of_all.table = &table;
    of_all.domain = DomainId(2);
    of_all.pasid = AtsRig::pasid;
    of_all.base = Iova(0);
    of_all.size = Bytes(pages << 12U);
    of_all.frames = frames;
    space = kernel.add_space(of_all);
  }
  AtsDevice& add(const DmaParams& dma, AtsRig::Options options) {
    options.host = &ats.rig.unit();
    if (!options.pri) options.pri = PriParams{};
    AtsDevice& device = ats.add(dma, options);
    ats.attach(device.source(), table);
    handler.serve(device.source(), AtsRig::pasid, space, device);
    return device;
  }
  void run() {
    handler.start();
    ats.run();
  }
  const std::vector<Ended>& requests() const { return ats.ended.all; }

  AtsRig ats;
  InvalidationDriver driver;
  HostKernel kernel;
  PageTable& table;
  std::size_t space = 0;
  PageRequestHandler handler;
};

}  // namespace

TEST_CASE("an unloaded request for a missing page takes the sum of its parts", "[models][pri]") {
  RigParams params;
  params.iommu.context_cache.latency = 1ns;
  params.iommu.pasid_cache.latency = 10ns;
  params.iommu.iotlb.latency = 100ns;
  params.iommu.walk_read = 1us;
  params.iommu.page_requests.write = 20us;
  HostKernelParams costs;
  costs.fault_interrupt = 3ms;
  costs.page_request_read = 400us;
  costs.fault_handling = 20ms;
  costs.fault_response = 5ms;
  KernelRig rig(params, costs);
  rig.ats.memory_latency = 30us;
  AtsRig::Options options;
  options.ats.tlb.latency = 100ms;
  options.ats.completion = 1000ms;
  options.link.latency = 200us;
  AtsDevice& device = rig.add(one_per_page(1, 1), options);
  rig.run();
  const Ps link = 200us;
  const Ps no_access = 100ms  // device TLB
                       + link + 1ns +
                       5 * 1us       // context cache; root, context, directory, PASID
                                     // entry and the root of the page table
                       + link;       // completion
  const Ps page = link + 1ns + 20us  // context cache, entry written
                  + 3ms + 400us      // interrupt, entry taken
                  + 20ms + 5ms       // handled, answered
                  + link;            // response
  const Ps translation = 100ms       // device TLB
                         + link + 1ns + 10ns + 100ns  // context cache, PASID cache, IOTLB
                         + 4 * 1us + link             // walk, completion
                         + 1000ms;                    // taken up
  const Ps translated = link + 1ns + 30us + link;     // context cache, memory
  REQUIRE(rig.requests().size() == 1);
  CHECK(rig.requests()[0].took == no_access + page + translation + translated);
  CHECK(device.page_latency.max() == page);
  CHECK(rig.handler.group_latency.max() == 20ms + 5ms);
  CHECK(device.stats.faults == 1);
}

TEST_CASE("a group maps all its pages, and is answered once", "[models][pri]") {
  KernelRig rig;
  AtsRig::Options options;
  options.pri = PriParams{32, 8};
  AtsDevice& device = rig.add(one_per_page(64, 64), options);
  rig.run();
  CHECK(device.stats.page_groups == 8);
  CHECK(device.stats.page_requests == 64);
  CHECK(device.stats.page_responses == 8);
  CHECK(rig.handler.stats.groups == 8);
  CHECK(rig.handler.stats.mapped == 64);
  CHECK(device.stats.faults == 8);
  CHECK(device.stats.aborted == 0);
  for (const Ended& ended : rig.requests()) CHECK(ended.hpa == frames.value() + ended.iova);
}

TEST_CASE("a response brings back the private data of its group", "[models][pri]") {
  const bool by_descriptor = GENERATE(false, true);
  const bool overflows = GENERATE(false, true);
  RigParams params;
  params.iommu.page_requests.entries = 128;
  KernelRig rig(params, {}, by_descriptor);
  DmaParams dma = one_per_page(64, 64);
  dma.outstanding = 64;
  std::vector<AtsDevice*> devices;
  for (int i = 0; i < (overflows ? 4 : 1); ++i) {
    AtsRig::Options options;
    options.pri = PriParams{64, 1, true};
    devices.push_back(&rig.add(dma, options));
    if (by_descriptor) rig.ats.rig.unit().attach_ats(devices.back()->source(), *devices.back());
  }
  rig.run();
  CHECK((rig.ats.rig.unit().page_requests().stats.overflows > 0) == overflows);
  for (const AtsDevice* device : devices) {
    CHECK(device->stats.aborted == 0);
    CHECK(device->stats.unexpected_responses == 0);
    CHECK(device->page_requests_outstanding() == 0);
  }
}

TEST_CASE("a response without the private data of a group is none to it", "[models][pri]") {
  AtsRig rig;
  rig.attach(rig.source(), rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000), false));
  AtsRig::Options options;
  options.pri = PriParams{32, 1, true};
  AtsDevice& device = rig.add(one_per_page(1, 1), options);
  rig.host.on_page_request = [&](const PageRequest& request) {
    PageResponse response = PageResponse::to(request, PageResponseCode::invalid);
    CHECK(response.private_data.has_value());
    response.private_data = {{7, 7}};
    device.answer(response);
    response.private_data.reset();
    device.answer(response);
  };
  rig.run();
  CHECK(device.stats.unexpected_responses == 2);
  CHECK(device.page_requests_outstanding() == 1);
}

TEST_CASE("a page that the device may not use ends its request and is not asked for again",
          "[models][pri]") {
  KernelRig rig;
  AtsRig::Options options;
  options.base = Iova(window.count() - 4096);  // its second page lies beyond
  AtsDevice& device = rig.add(one_per_page(2, 4), options);
  rig.run();
  CHECK(device.stats.aborted == 2);
  CHECK(device.stats.page_groups == 3);
  CHECK(rig.handler.stats.refused == 2);
}

TEST_CASE("requests of a PASID that the kernel does not know are refused", "[models][pri]") {
  KernelRig rig;
  AtsRig::Options options;
  options.pasid =
      no_pasid;  // the tables have an entry for requests without one; the kernel has none
  AtsDevice& device = rig.add(one_per_page(1, 1), options);
  rig.run();
  CHECK(device.stats.aborted == 1);
  CHECK(rig.handler.stats.malformed == 1);
}

TEST_CASE("a request that comes while the queue is being emptied is taken in the next pass",
          "[models][pri]") {
  HostKernelParams costs;
  costs.fault_interrupt = 1us;
  costs.page_request_read = 5us;  // a pass takes longer than an interrupt
  KernelRig rig({}, costs);
  DmaParams dma = one_per_page(64, 64);
  dma.outstanding = 8;
  AtsDevice& device = rig.add(dma, {});
  rig.run();
  CHECK(device.stats.aborted == 0);
  CHECK(rig.requests().size() == 64);
  CHECK(rig.handler.stats.mapped == 64);
}

TEST_CASE("a queue that overflows under a burst recovers, and every request succeeds in the end",
          "[models][pri]") {
  RigParams params;
  params.iommu.page_requests.entries = 128;
  KernelRig rig(params);
  std::vector<AtsDevice*> devices;
  for (int i = 0; i < 6; ++i) {
    DmaParams dma = one_per_page(64, 64);
    dma.outstanding = 64;
    AtsRig::Options options;
    options.pri = PriParams{64, 1};
    devices.push_back(&rig.add(dma, options));
  }
  rig.run();
  CHECK(rig.ats.rig.unit().page_requests().stats.overflows > 0);
  CHECK(rig.handler.stats.overflows > 0);
  for (const AtsDevice* device : devices) {
    CHECK(device->stats.aborted == 0);
    CHECK(device->latency.count() == 64);
    CHECK(device->page_requests_outstanding() == 0);
  }
}

TEST_CASE("a device that exceeds its credits overflows a queue that fits its allowance",
          "[models][pri]") {
  const bool exceeds = GENERATE(false, true);
  RigParams params;
  params.iommu.page_requests.entries = 128;
  KernelRig rig(params);
  DmaParams dma = one_per_page(64, 64);
  dma.outstanding = 64;
  AtsRig::Options options;
  options.pri = PriParams{32, 4};
  options.ats.misbehaviour.exceed_credits = exceeds;
  AtsDevice& device = rig.add(dma, options);
  rig.run();
  CHECK((rig.ats.rig.unit().page_requests().stats.longest > 32) == exceeds);
  CHECK(device.stats.aborted == 0);
}

TEST_CASE("a device that omits the last flag never gets an answer", "[models][pri]") {
  KernelRig rig;
  AtsRig::Options options;
  options.ats.misbehaviour.omit_last = true;
  AtsDevice& device = rig.add(one_per_page(4, 4), options);
  rig.run();
  CHECK(device.in_flight() == 1);
  CHECK(device.page_requests_outstanding() == 1);
  CHECK(rig.handler.stats.entries == 1);
  CHECK(rig.handler.stats.groups == 0);
}

TEST_CASE(
    "a group larger than its queue gets through where software takes some while others arrive",
    "[models][pri]") {
  const bool slowly = GENERATE(true, false);
  RigParams params;
  params.iommu.page_requests.entries = 128;
  if (slowly) params.iommu.context_cache.latency = 200ns;
  KernelRig rig(params, {}, false, 256);
  AtsRig::Options options;
  options.pri = PriParams{512, 200};
  AtsDevice& device = rig.add(one_per_page(256, 1), options);
  if (slowly) {
    rig.run();
    CHECK(device.latency.count() == 1);
    CHECK(rig.handler.stats.mapped == 200);
    CHECK(rig.ats.rig.unit().page_requests().stats.overflows == 0);
  } else {
    CHECK_THROWS_WITH(rig.run(),
                      Catch::Matchers::Contains("as where a group is larger than their queue"));
  }
}

TEST_CASE("what carries private data is answered, marked as the last of its group or not",
          "[models][pri]") {
  KernelRig rig;
  AtsRig::Options options;
  options.pri = PriParams{32, 2, true};
  options.ats.misbehaviour.omit_last = true;
  SECTION("mapped") {
    AtsDevice& device = rig.add(one_per_page(4, 4), options);
    rig.run();
    CHECK(device.latency.count() == 4);
    CHECK(rig.handler.stats.groups == 2);
    CHECK(rig.handler.stats.mapped == 4);
    CHECK(device.page_requests_outstanding() == 0);
  }
  SECTION("refused") {
    options.pasid = no_pasid;
    AtsDevice& device = rig.add(one_per_page(1, 1), options);
    rig.run();
    CHECK(device.stats.aborted == 1);
    CHECK(rig.handler.stats.malformed == 1);
    CHECK(device.page_requests_outstanding() == 0);
  }
}

namespace {

// A function that asks what it is told to.
struct Scripted final : AtsFunction {
  void invalidate(const AtsInvalidation&) override {}
  void answer(const PageResponse& response) override { responses.push_back(response); }
  std::vector<PageResponse> responses;
};

}  // namespace

TEST_CASE("what an overflow cuts off while the queue is being emptied does not come back later",
          "[models][pri]") {
  RigParams params;
  params.iommu.page_requests.entries = 128;
  HostKernelParams costs;
  costs.fault_interrupt = 1us;
  costs.page_request_read = 10us;
  KernelRig rig(params, costs);
  Scripted function;
  const Bdf source = rig.ats.source();
  rig.ats.attach(source, rig.table);
  rig.handler.serve(source, AtsRig::pasid, rig.space, function);
  const auto ask = [&](std::uint16_t group, std::uint64_t page, bool last) {
    PageRequest request{source, AtsRig::pasid, Iova(page << 12U), group, true};
    request.last = last;
    rig.ats.rig.unit().request_page(request);
  };
  const auto is_mapped = [&](std::uint64_t page) { return rig.table.mapped(Iova(page << 12U)); };
  rig.ats.rig.engine.spawn("function", Lifetime::finishes, [&] {
    Engine& engine = rig.ats.rig.engine;
    ask(0, 0, true);
    engine.sleep_until(Instant(5us));  // it is being taken
    REQUIRE(rig.handler.stats.entries == 0);
    ask(7, 10, false);
    ask(7, 11, false);
    for (std::uint16_t other = 100; other < 300; ++other) ask(other, 0, true);
    ask(7, 12, true);  // dropped, and answered by hardware
    engine.sleep_until(Instant(5ms));
    CHECK(rig.handler.stats.overflows == 1);
    CHECK(rig.handler.stats.partial_dropped == 2);
    ask(7, 20, true);  // another group of this index
    engine.sleep_for(100us);
  });
  rig.run();
  CHECK(rig.handler.stats.entries == 128);
  CHECK(function.responses.size() == 203);
  CHECK(is_mapped(20));
  CHECK_FALSE(is_mapped(10));
  CHECK_FALSE(is_mapped(11));
}

namespace {

struct Stopped final : StopListener {
  explicit Stopped(Engine& with) : engine(with) {}
  void stopped(Bdf) override { times.push_back(engine.now().since_start()); }
  Engine& engine;
  std::vector<Ps> times;
};

}  // namespace

TEST_CASE("a stopped function finishes what is in flight, and says so by a stop marker",
          "[models][pri]") {
  KernelRig rig;
  DmaParams dma = one_per_page(64, 0);
  dma.outstanding = 4;
  dma.interval = 100ns;
  AtsRig::Options options;
  options.pri = PriParams{2, 1};
  const bool misbehaves = GENERATE(false, true);
  options.ats.misbehaviour.use_after_stop = misbehaves;
  AtsDevice& device = rig.add(dma, options);
  Stopped listener(rig.ats.rig.engine);
  device.listen(listener);
  rig.ats.rig.engine.spawn("software", Lifetime::finishes, [&] {
    Engine& engine = rig.ats.rig.engine;
    engine.sleep_until(Instant(3us));  // four requests wait, two of them for credits
    CHECK(device.page_requests_outstanding() == 2);
    device.stop(true);
    CHECK(device.in_flight() == 2);
    CHECK(device.stats.aborted == 2);
    CHECK(device.state() == AtsDevice::State::stopping);
    engine.sleep_until(Instant(50us));
    CHECK(device.state() == AtsDevice::State::stopped);
    CHECK(listener.times.size() == 1);
    CHECK(rig.handler.stats.stop_markers == 1);
    CHECK((device.stats.requests > 4) == misbehaves);
    const std::uint64_t before = device.stats.requests;
    engine.sleep_for(50us);
    CHECK((device.stats.requests > before) == misbehaves);
    device.reset();  // ends the misbehaving one
  });
  rig.run();
  CHECK(device.page_requests_outstanding() == 0);
}

TEST_CASE("a stopped function starts again", "[models][pri]") {
  KernelRig rig;
  AtsDevice& device = rig.add(one_per_page(8, 8), {});
  rig.ats.rig.engine.spawn("software", Lifetime::finishes, [&] {
    device.stop(false);
    rig.ats.rig.engine.sleep_for(100us);
    CHECK(device.stats.requests <= 1);
    device.start();
  });
  rig.run();
  CHECK(device.latency.count() == 8);
  CHECK(rig.handler.stats.stop_markers == 0);
}

TEST_CASE("a function-level reset forgets everything without answering anybody", "[models][pri]") {
  KernelRig rig;
  DmaParams dma = one_per_page(64, 64);
  dma.outstanding = 4;
  AtsDevice& device = rig.add(dma, {});
  rig.ats.rig.engine.spawn("software", Lifetime::finishes, [&] {
    Engine& engine = rig.ats.rig.engine;
    engine.sleep_until(Instant(20us));
    CHECK(device.tlb().size() > 0);
    CHECK(device.in_flight() == 4);
    CHECK(device.page_requests_outstanding() > 0);
    const std::uint64_t before = device.stats.requests;
    device.reset();
    CHECK(device.tlb().size() == 0);
    CHECK(device.in_flight() == 0);
    CHECK(device.page_requests_outstanding() == 0);
    CHECK(device.stats.dropped == 4);
    engine.sleep_for(100us);
    CHECK(device.stats.requests == before);
    CHECK(device.stats.ignored_responses > 0);  // to groups from before
    device.enable_page_requests();
    device.start();
  });
  rig.run();
  CHECK(device.stats.requests == 64);
  CHECK(device.latency.count() == 60);
  CHECK(device.stats.aborted == 0);
}

TEST_CASE("a reset drops walks in flight, and an invalidation that waits for a read",
          "[models][pri]") {
  AtsRig rig;
  const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  AtsDevice& device = rig.add(one_per_page(1, 3), {});
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.rig.engine.sleep_until(Instant(500ns));  // in the walk
    device.reset();
    device.start();  // the walk goes on, and the next request waits for it: it is read by 1581 ns
    rig.rig.engine.sleep_until(Instant(1200ns));
    device.invalidate({Iova(0), page_4k, AtsRig::pasid, false, 4});
    rig.rig.engine.sleep_until(Instant(1450ns));
    device.reset();
  });
  rig.run();
  CHECK(device.stats.requests == 2);
  CHECK(device.stats.dropped == 2);
  CHECK(device.latency.count() == 0);
  CHECK(rig.host.answers.empty());
}

TEST_CASE("an invalidation after a reset does not wait for reads from before it", "[models][pri]") {
  AtsRig rig;
  const PageTable& table = rig.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
  rig.attach(rig.source(), table);
  AtsDevice& device = rig.add(one_per_page(1, 3), {});
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    const AtsInvalidation page{Iova(0), page_4k, AtsRig::pasid, false, 4};
    while (device.latency.count() == 0) rig.rig.engine.sleep_for(10ns);
    device.invalidate(page);  // meets the second one's read
    rig.rig.engine.sleep_for(250ns);
    CHECK(device.in_flight() == 1);
    device.reset();
    rig.rig.engine.sleep_for(1us);
    CHECK(rig.host.answers.empty());
    device.invalidate(page);
  });
  rig.run();
  CHECK(rig.host.answers.size() == 1);
}

TEST_CASE("a failure response turns page requests off until they are enabled again",
          "[models][pri]") {
  AtsRig rig;
  PageTable& table = rig.rig.new_space(Iova(0), 32_KiB, Hpa(0x100000), false);
  rig.attach(rig.source(), table);
  AtsRig::Options options;
  options.pri = PriParams{};
  DmaParams dma = one_per_page(8, 4);
  AtsDevice& device = rig.add(dma, options);
  unsigned asked = 0;
  rig.host.on_page_request = [&](const PageRequest& request) {
    const bool fails = ++asked == 1;
    if (!fails) table.map(request.address, Hpa(0x100000), 1, {true, true});
    device.answer({request.source, request.pasid, request.group,
                   fails ? PageResponseCode::failure : PageResponseCode::success});
  };
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    rig.rig.engine.sleep_until(Instant(2500ns));  // the second one has ended, without asking
    CHECK_FALSE(device.page_requests_enabled());
    CHECK(asked == 1);
    CHECK(device.stats.aborted >= 2);
    device.enable_page_requests();
    device.answer({rig.source(), AtsRig::pasid, 0, PageResponseCode::success});
  });
  rig.run();
  CHECK(device.latency.count() + device.stats.aborted == 4);
  CHECK(device.latency.count() > 0);
  CHECK(device.stats.unexpected_responses == 1);
}
