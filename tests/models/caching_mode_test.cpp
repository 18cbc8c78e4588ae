// Caching mode: what is remembered as absent, what makes an IOMMU forget it, and software that does
// not.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/invalidation_driver.hpp"
#include "models/host/page_request_handler.hpp"
#include "tests/support/ats_rig.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

using What = Invalidation::What;
using Scope = Invalidation::Scope;

vtd::UnitParams caching(bool on = true) {
  vtd::UnitParams params;
  params.caching_mode = on;
  return params;
}

struct Forgetting {
  What what;
  Scope scope;
  std::uint16_t domain;
  std::uint32_t pasid;
  std::uint16_t source;
  bool helps;
};

Invalidation order_of(const Forgetting& f) {
  Invalidation order;
  order.what = f.what;
  order.scope = f.scope;
  order.domain = DomainId(f.domain);
  order.pasid = Pasid(f.pasid);
  order.source = Bdf(f.source);
  return order;
}

}  // namespace

TEST_CASE("in caching mode an absent PASID entry is remembered until its number is invalidated",
          "[models][iommu]") {
  const auto f = GENERATE(values<Forgetting>({
      {What::processes, Scope::space, 7, 5, 0, true},  // a new entry's domain, whatever it is
      {What::processes, Scope::space, 7, 6, 0, false},
      {What::processes, Scope::domain, 7, 0, 0, true},
      {What::processes, Scope::all, 0, 0, 0, true},
      {What::devices, Scope::all, 0, 0, 0, false},
      {What::translations, Scope::all, 0, 0, 0, false},
  }));
  LoneIommu lone(caching(), {});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.unit().tables().clear_present(lone.port().source, LoneIommu::pasid);
  const auto absent = vtd::code_of(vtd::FaultReason::sm_pasid_entry_not_present);
  CHECK(lone.answer(0).fault == absent);
  lone.bind(lone.space().entry());
  const std::uint64_t reads = lone.iommu().stats.walk_reads;
  CHECK(lone.answer(0).fault == absent);
  CHECK(lone.iommu().stats.walk_reads == reads);
  lone.iommu().apply(order_of(f));
  CHECK(lone.answer(0).faulted() == !f.helps);
}

TEST_CASE("in caching mode an absent context entry is remembered under domain 0",
          "[models][iommu]") {
  const bool legacy = GENERATE(false, true);
  const auto f = GENERATE(values<Forgetting>({
      {What::devices, Scope::source, 0, 0, 0x200, true},
      {What::devices, Scope::source, 0, 0, 0x201, false},
      {What::devices, Scope::domain, 0, 0, 0, true},
      {What::devices, Scope::all, 0, 0, 0, true},
      {What::processes, Scope::all, 0, 0, 0, false},
  }));
  vtd::UnitParams params = caching();
  params.mode = legacy ? vtd::Mode::legacy : vtd::Mode::scalable;
  LoneIommu lone(params, {});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.port().source = Bdf(0x200);  // of a bus without a context table
  const auto absent = vtd::code_of(legacy ? vtd::FaultReason::root_not_present
                                          : vtd::FaultReason::sm_root_not_present);
  CHECK(lone.answer(0).fault == absent);
  if (legacy) {
    lone.unit().tables().attach(lone.port().source, lone.space().context());
  } else {
    lone.unit().tables().attach(lone.port().source, 64, LoneIommu::pasid);
    lone.bind(lone.space().entry());
  }
  CHECK(lone.answer(0).fault == absent);
  lone.iommu().apply(order_of(f));
  CHECK(lone.answer(0).faulted() == !f.helps);
}

TEST_CASE("in caching mode a translation of an absent page is answered where misses are",
          "[models][iommu][ats]") {
  LoneIommu lone(caching(), {});
  vtd::ScalableContext context;
  context.pasid_enable = context.device_tlb_enable = true;
  lone.port().source = Bdf(0x200);
  lone.unit().tables().attach(lone.port().source, 64, context);
  lone.bind(lone.space().entry());
  const auto ask = [&] { return lone.told(lone.ask(0, Access::read, AddressType::translation)); };
  ask();
  lone.run();
  const std::uint64_t reads = lone.iommu().stats.walk_reads;
  const std::uint64_t misses = lone.iommu().iotlb_stats().misses;
  CHECK(!ask().hit);
  lone.run();
  CHECK(lone.iommu().stats.walk_reads == reads);
  CHECK(lone.iommu().iotlb_stats().misses == misses + 1);
}

TEST_CASE("an entry that appears while a walk is on its way is not remembered as absent",
          "[models][iommu]") {
  const bool invalidates = GENERATE(false, true);
  LoneIommu lone(caching(), {});
  lone.space().map(0, Hpa(0x5000'0000));
  lone.unit().tables().clear_present(lone.port().source, LoneIommu::pasid);
  lone.ask(0);
  lone.at(lone.after_reads(3) - 1ns, [&] {
    if (invalidates) lone.iommu().apply(order_of({What::processes, Scope::space, 7, 5, 0, true}));
  });
  lone.run();
  lone.bind(lone.space().entry());
  CHECK(lone.answer(0).faulted() == !invalidates);
}

namespace {

// Devices whose memory is mapped on demand, through a second stage.
struct OnDemand {
  explicit OnDemand(bool announces)
      : kernel("kernel", costs(), rig.engine, rig.fabric(), rig.tracer(), 99, 1),
        driver(rig.engine, rig.memory, rig.unit().queue(), 50ns) {
    PageTable& table = rig.new_space(Iova(0), 16_KiB, Hpa(0x4000'0000), false);
    rig.attach(Rig::source_of(0), table, DomainId(2));
    HostSpace space;
    space.table = &table;
    space.domain = DomainId(2);
    space.size = 16_KiB;
    space.frames = Hpa(0x4000'0000);
    space.driver = &driver;
    space.absent_cached = announces;
    DmaParams dma = one_per_page(4, 8);
    dma.on_fault = OnFault::retry;
    kernel.give(rig.add_device(dma, Iova(0)), kernel.add_space(space));
    rig.fabric().set_fault_service(kernel);
    kernel.start(Instant::latest());
  }
  static HostKernelParams costs() {
    HostKernelParams params;
    params.tries = 20;
    return params;
  }
  static RigParams params() {
    RigParams params;
    params.iommu.caching_mode = true;
    return params;
  }
  Rig rig{params()};
  HostKernel kernel;
  InvalidationDriver driver;
};

}  // namespace

TEST_CASE("in caching mode the kernel announces what it maps on demand", "[models][host]") {
  OnDemand run(true);
  run.rig.engine.run();
  CHECK(run.rig.fabric().stats(0).requests == 8);
  CHECK(run.rig.fabric().stats(0).faults == 4);
  CHECK(run.kernel.stats.faults_handled == 4);
  CHECK(run.rig.unit().queue().stats.waits == 4);
}

TEST_CASE("requests that never see what was mapped for them end the run", "[models][host]") {
  OnDemand run(false);
  CHECK_THROWS_WITH(run.rig.engine.run(), Catch::Contains("asked 20 times for the page at 0x0") &&
                                              Catch::Contains("caches absent pages"));
}

TEST_CASE("page requests for what was mapped unannounced end the run", "[models][pri]") {
  const bool announces = GENERATE(false, true);
  AtsRig ats(OnDemand::params());
  HostKernelParams costs = OnDemand::costs();
  InvalidationDriver driver(ats.rig.engine, ats.rig.memory, ats.rig.unit().queue(), costs.poll);
  HostKernel kernel("kernel", costs, ats.rig.engine, ats.rig.fabric(), ats.rig.tracer(), 99, 1);
  PageRequestHandler handler("prq", costs, ats.rig.engine, kernel, ats.rig.unit().page_requests(),
                             nullptr);
  HostSpace space;
  PageTable& table = ats.rig.new_space(Iova(0), 16_KiB, Hpa(0x4000'0000), false);
  REQUIRE(table.format() == TableFormat::second_level);
  space.table = &table;
  space.domain = DomainId(2);
  space.pasid = AtsRig::pasid;
  space.size = 16_KiB;
  space.frames = Hpa(0x4000'0000);
  space.driver = &driver;
  space.absent_cached = announces;
  AtsRig::Options options;
  options.pri = PriParams{};
  options.host = &ats.rig.unit();
  AtsDevice& device = ats.add(one_per_page(1, 1), options);
  ats.attach(device.source(), table);
  handler.serve(device.source(), AtsRig::pasid, kernel.add_space(space), device);
  handler.start();
  if (announces) {
    ats.run();
    CHECK(handler.stats.groups == 1);
    CHECK(handler.stats.mapped == 1);
  } else {
    CHECK_THROWS_WITH(ats.run(), Catch::Contains("kernel: a device asked 20 times for the page"));
    CHECK(handler.stats.groups == 21);  // the first one mapped it
  }
}
