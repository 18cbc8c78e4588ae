// The emulated IOMMU's queues: which descriptor does what in the host, waits, errors, page requests.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/viommu.hpp"

#include "models/iommu/vtd/registers.hpp"
#include "tests/support/emulated_rig.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("flushes reach the host by PASID, by pages, or by domain for all that have it", "[vmm]") {
  VmOptions options;
  options.viommu.forward_device_tlb = true;
  Emulated rig(options);
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    const ioasid::Ioasid unbound = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    const auto told = [&](vtd::Descriptor order) {
      rig.host.iommu.log.clear();
      CHECK(rig.v.iommu.submit(thread, {&order, 1}) == Errno::ok);
      return rig.host.iommu.log;
    };
    const std::string whole = "pasid-iotlb pasid 1 did 2 + pasid-device-tlb 01:00.0 pasid 1 all";
    vtd::Descriptor order;
    order.type = vtd::DescriptorType::pasid_iotlb;
    order.granularity = vtd::Granularity::pasid;
    order.domain = DomainId(1);
    order.pasid = Pasid(id);
    CHECK(told(order) == Log{whole});
    order.pasid = Pasid(unbound);
    CHECK(told(order).empty());
    order.pasid = Pasid(id);
    order.domain = DomainId(3);
    CHECK(told(order).empty());
    order.domain = DomainId(1);
    order.granularity = vtd::Granularity::page;
    order.address = Iova(0x8000);
    order.address_mask = 3;
    CHECK(told(order) == Log{"pasid-iotlb pasid 1 did 2 0x8000+2^3 + "
                             "pasid-device-tlb 01:00.0 pasid 1 0x8000+2^3"});
    order.type = vtd::DescriptorType::iotlb;
    CHECK(told(order) == Log{whole});  // nobody knows which first-level addresses these are
    order.granularity = vtd::Granularity::global;
    CHECK(told(order) == Log{whole});
    vtd::Descriptor tlb;
    tlb.type = vtd::DescriptorType::pasid_device_tlb;
    tlb.source = device;
    tlb.pasid = Pasid(id);
    tlb.address = Iova(0x9000);
    CHECK(told(tlb) == Log{"pasid-device-tlb 01:00.0 pasid 1 0x9000+2^0"});
    tlb.address_mask = vtd::Descriptor::every_address;
    CHECK(told(tlb) == Log{whole});
  });
}

TEST_CASE("device-TLB descriptors of a guest are not needed: the host has flushed", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    vtd::Descriptor tlb;
    tlb.type = vtd::DescriptorType::pasid_device_tlb;
    tlb.source = device;
    tlb.pasid = Pasid(id);
    CHECK(rig.v.iommu.submit(thread, {&tlb, 1}) == Errno::ok);
    CHECK(rig.host.iommu.log.empty());
  });
}

TEST_CASE("a wait is complete when the host's work is, a hypervisor that errs says so before",
          "[vmm]") {
  VmOptions options;
  const bool early = options.viommu.early_waits = GENERATE(false, true);
  Emulated rig(options);
  bool in_host = false;
  bool entry_when_told = false;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.write(device, id, VmRig::first_level(0x10000));
    CHECK(rig.announce(thread, id) == Errno::ok);
    in_host = rig.host.entry(device, Pasid(id));
    thread.sleep(100us);
    entry_when_told = rig.host.entry(device, Pasid(id));
  });
  CHECK(in_host == !early);
  CHECK(entry_when_told);
}

TEST_CASE("the queue stops at a descriptor that is not understood, and goes on after it", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.write(device, id, VmRig::first_level(0x10000));
    vtd::Descriptor bad;
    bad.type = vtd::DescriptorType::iotlb;
    bad.granularity = vtd::Granularity::page;
    bad.address_mask = 40;  // beyond MAMV
    vtd::Descriptor good;
    good.type = vtd::DescriptorType::pasid_cache;
    good.granularity = vtd::Granularity::pasid;
    good.domain = DomainId(1);
    good.pasid = Pasid(id);
    const std::vector<vtd::Descriptor> both{bad, good};
    CHECK(rig.v.iommu.submit(thread, both) == Errno::einval);
    CHECK(rig.host.entry(device, Pasid(id)));  // what was behind it is done
    CHECK(rig.v.viommu.read(thread, vtd::reg::fsts) == 0);
    CHECK(rig.v.viommu.read(thread, vtd::reg::iqh) == rig.v.viommu.read(thread, vtd::reg::iqt));
    CHECK(rig.vm.unmap(thread, rig.v, device, id) == Errno::ok);
  });
  CHECK(rig.v.viommu.stats.queue_errors == 1);
  CHECK(rig.v.iommu.stats.refused == 1);
}

TEST_CASE("the ring is used round and round", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    for (int i = 0; i < 300; ++i) CHECK(rig.vm.unmap(thread, rig.v, device, id) == Errno::ok);
  });
  CHECK(rig.host.iommu.log.size() == 300);
}

TEST_CASE("a full page request queue overflows: the device is told to ask again", "[vmm]") {
  VmOptions options;
  options.viommu.page_request_entries = 128;
  Emulated rig(options);
  rig.v.handler.answers = false;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    for (std::uint16_t group = 0; group < 130; ++group)
      CHECK(rig.vm.container.forward_fault(0, page_request(device, id, group)));
  });
  CHECK(rig.v.requests.stats.overflows == 1);
  CHECK(rig.v.handler.requests.size() == 127);
  CHECK(rig.v.handler.requests.front().source == device);
  CHECK(rig.v.viommu.stats.page_overflows == 1);
  CHECK(rig.v.viommu.stats.pages_dropped == 3);
  CHECK(std::count_if(rig.host.iommu.log.begin(), rig.host.iommu.log.end(),
                      [](const std::string& line) { return line.ends_with("code 0"); }) == 3);
}

TEST_CASE("a wait that drains page requests brings the forwarded ones first", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    CHECK(rig.vm.container.forward_fault(0, page_request(device, id)));
    CHECK(rig.v.iommu.submit_and_drain_page_requests(thread, {}) == Errno::ok);
    CHECK(rig.v.viommu.stats.page_requests == 1);
    CHECK(rig.v.viommu.read(thread, viommu_reg::pqt) == 32);
  });
}

TEST_CASE("a guest's answer after its unbind finds no page request", "[vmm]") {
  Emulated rig;
  rig.v.handler.answers = false;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    CHECK(rig.vm.container.forward_fault(0, page_request(device, id, 9)));
    thread.sleep(50us);
    CHECK(rig.vm.unbind(thread, rig.v, device, id) == Errno::ok);
    const vtd::Descriptor late = descriptor_of({device, Pasid(id), 9, PageResponseCode::success});
    CHECK(rig.v.iommu.submit(thread, {&late, 1}) == Errno::ok);
  });
  CHECK(rig.v.viommu.stats.responses_refused == 1);
  CHECK(rig.vm.container.fault_stats().answered_for_guest == 1);
  CHECK(rig.vm.container.fault_stats().unmatched == 1);
}

TEST_CASE("several vCPUs in the hypervisor take turns at its lock", "[vmm]") {
  Emulated rig;
  Instant last;
  for (int i = 0; i < 3; ++i) {
    rig.vm.job(0ns, [&](Thread& thread) {
      rig.v.viommu.read(thread, vtd::reg::iqh);
      last = thread.now();
    });
  }
  rig.vm.job(0ns, [&](Thread& thread) {
    thread.away([&] {
      const Guard guard(rig.vm.machine.emulation(), thread);
      thread.run(10us);
    });
  });
  rig.host.engine.run();
  CHECK(rig.vm.machine.emulation().stats.contended == 3);
  CHECK(last.since_start() - VmRig::booted > 10us);
}
