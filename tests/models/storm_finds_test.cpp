// The smallest cases of what random storms have found.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/unit.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

#include <optional>

using namespace viosim;
using namespace viosim::test;

namespace {

// A RISC-V IOMMU and one device whose requests carry a process id.
class RiscvDevice final : WalkClient {
 public:
  static constexpr Pasid process{5};
  explicit RiscvDevice(const riscv::UnitParams& params)
      : unit_("iommu0", params, 0, agenda_, memory_, 1) {
    port_.source = Bdf(0x100);
    port_.device = 1;
    port_.pasid = process;
  }
  void attach(riscv::DeviceContext context, const riscv::ProcessTable& processes) {
    context.valid = true;
    context.process_table = true;
    context.first = processes.root();
    unit_.tables().attach(port_.source, context);
  }
  // The answer to a request that arrives now; warm is what the caches answer without a walk.
  struct Told {
    bool warm = false;
    bool faulted = false;
  };
  Told ask(AddressType type, bool privileged = false) {
    port_.privileged = privileged;
    Iommu& iommu = unit_.iommu();
    const UseStamp stamp = iommu.use_now();
    WalkResult result;
    const bool warm =
        type == AddressType::translation
            ? iommu.lookup_translation(port_, Iova(0x5000), Access::read, stamp, result)
            : iommu.admit(port_, Iova(0x5000), type, Access::read, stamp);
    if (warm) return {true, false};
    iommu.start_walk(port_, Iova(0x5000), Access::read, stamp, *this, 0, type);
    agenda_.run_before(Instant::latest());
    return {false, result_->faulted()};
  }
  IommuPort& port() { return port_; }
  PhysicalMemory& memory() { return memory_; }
  Iommu& iommu() { return unit_.iommu(); }

 private:
  void walked(std::uint64_t, const WalkResult& result) override { result_ = result; }

  Agenda agenda_;
  PhysicalMemory memory_;
  riscv::Unit unit_;
  IommuPort port_;
  std::optional<WalkResult> result_;
};

riscv::ProcessContext bare(bool supervisor) {
  riscv::ProcessContext context;
  context.valid = true;
  context.supervisor = supervisor;
  return context;
}

}  // namespace

TEST_CASE("a request that its entry refuses leaves nothing in the walk caches",
          "[models][iommu][storm]") {
  vtd::UnitParams params;
  params.walk_caches.second.level2.entries = 4;
  LoneIommu lone(params, {});
  lone.space().map(0, Hpa(0x5000'0000));
  const WalkResult refused = lone.answer(0, Access::execute);  // ERE is clear
  CHECK(vtd::reason_of(refused.fault) == vtd::FaultReason::sm_execute_disabled);
  CHECK_FALSE(lone.answer(0).faulted());
}

TEST_CASE("a process directory that is not there is not an absent page", "[models][riscv][storm]") {
  riscv::UnitParams params;
  params.caching_mode = true;
  RiscvDevice device(params);
  const PageTable second(device.memory(), TableFormat::sv_guest, 4);  // of a guest without memory
  const riscv::ProcessTable processes(device.memory(), riscv::ProcessMode::pd20);
  riscv::DeviceContext context;
  context.ats = true;
  context.second = riscv::Root::of(second.root(), 4);
  device.attach(context, processes);
  device.ask(AddressType::translation);
  CHECK(device.iommu().iotlb_stats().insertions == 0);
}

TEST_CASE("what is translated or a page request is for the device's entry to allow, warm as cold",
          "[models][riscv][storm]") {
  const bool ats = GENERATE(false, true);
  const bool pri = GENERATE(false, true);
  if (pri && !ats) return;  // misconfigured
  const Pasid process(GENERATE(5U, 300U));
  const bool reaches = process.value() < riscv::limit(riscv::ProcessMode::pd8);
  RiscvDevice device({});
  riscv::ProcessTable processes(device.memory(), riscv::ProcessMode::pd8);
  processes.set(RiscvDevice::process, bare(false));
  riscv::DeviceContext context;
  context.ats = ats;
  context.pri = pri;
  device.attach(context, processes);
  device.port().pasid = process;
  for (const bool warm : {false, true}) {
    if (!warm) device.iommu().drop_all();
    const auto translated = device.ask(AddressType::translated);
    CHECK(translated.faulted == !(ats && reaches));
    CHECK(translated.warm == (warm && ats && reaches));
    if (!warm) device.iommu().drop_all();
    const auto page = device.ask(AddressType::page_request);
    CHECK(page.faulted == !(pri && reaches));
  }
}

TEST_CASE("a supervisor's translation request to a bare process is refused, warm as cold",
          "[models][riscv][storm]") {
  const bool supervisor = GENERATE(false, true);
  RiscvDevice device({});
  riscv::ProcessTable processes(device.memory(), riscv::ProcessMode::pd8);
  processes.set(RiscvDevice::process, bare(supervisor));
  riscv::DeviceContext context;
  context.ats = true;
  device.attach(context, processes);
  CHECK_FALSE(device.ask(AddressType::translation).faulted);
  const auto told = device.ask(AddressType::translation, true);
  CHECK(told.warm == supervisor);
  CHECK(told.faulted == !supervisor);
}

TEST_CASE("an entry found by source is used as far as its address space allows requests",
          "[models][iommu][storm]") {
  vtd::UnitParams params;
  params.iotlb_tag = IotlbTag::source;
  LoneIommu lone(params, {.type = vtd::PasidEntry::Type::first_level});
  lone.space().map(0, Hpa(0x5000'0000));
  vtd::PasidEntry entry = lone.space().entry();
  entry.execute_requests = entry.supervisor_requests = GENERATE(false, true);
  lone.bind(entry);
  CHECK_FALSE(lone.answer(0).faulted());
  CHECK(lone.ask_alone(0).hit);
  CHECK(lone.ask_alone(0, Access::execute).hit == entry.execute_requests);
  lone.port().privileged = true;
  CHECK(lone.ask_alone(0).hit == entry.supervisor_requests);
}

TEST_CASE("an absent page found by source does not answer who may not ask",
          "[models][iommu][storm]") {
  vtd::UnitParams params;
  params.iotlb_tag = IotlbTag::source;
  params.caching_mode = true;
  params.pasid_cache.entries = 1;
  LoneIommu lone(params, {});
  lone.space().map(0, Hpa(0x5000'0000));
  CHECK(lone.answer(1).faulted());
  CHECK(vtd::reason_of(lone.answer(1, Access::execute).fault) ==
        vtd::FaultReason::sm_execute_disabled);
  Invalidation processes;
  processes.what = Invalidation::What::processes;
  lone.iommu().apply(processes);
  CHECK(vtd::reason_of(lone.answer(1, Access::execute).fault) ==
        vtd::FaultReason::sm_execute_disabled);
}

TEST_CASE("a function whose requests are all a supervisor's is told a supervisor's rights",
          "[models][iommu][ats]") {
  const auto tag = GENERATE(IotlbTag::domain, IotlbTag::source);
  vtd::UnitParams params;
  params.iotlb_tag = tag;
  LoneIommu lone(params, {.type = vtd::PasidEntry::Type::first_level});
  // The first context entry of a function stays: this is another one.
  vtd::ScalableContext context;
  context.device_tlb_enable = true;
  context.rid_privileged = true;
  context.rid_pasid = LoneIommu::pasid;
  lone.port().source = Bdf(0x200);
  lone.port().pasid = no_pasid;
  lone.unit().tables().attach(lone.port().source, 64, context);
  vtd::PasidEntry entry = lone.space().entry();
  entry.supervisor_requests = true;
  lone.bind(entry);
  lone.space().map(0, Hpa(0x5000'0000), {true, true, false, false});  // a supervisor's page
  const WalkResult cold = lone.answer(0, Access::write, AddressType::translation);
  REQUIRE_FALSE(cold.faulted());
  CHECK(cold.translation.rights.can_write(false));
  WalkResult warm;
  REQUIRE(lone.iommu().lookup_translation(lone.port(), lone.space().iova(0), Access::write,
                                          lone.iommu().use_now(), warm));
  CHECK(warm.translation.rights.can_write(false));
}
