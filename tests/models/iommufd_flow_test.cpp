// A hypervisor on iommufd: what the guest's PASID entries and descriptors become there.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/iommufd_flow.hpp"

#include "tests/support/emulated_rig.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Log = std::vector<std::string>;

VmOptions on(Flow flow) {
  VmOptions options;
  options.flow = flow;
  return options;
}

}  // namespace

TEST_CASE("a changed entry takes the other's place without a gap, the flow of 2019 leaves one",
          "[iommufd]") {
  const bool modern = GENERATE(false, true);
  Emulated rig(on(modern ? Flow::iommufd : Flow::vfio));
  bool over = false;
  std::uint64_t present = 0;
  std::uint64_t absent = 0;
  std::vector<Hpa> roots;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.workers.post([&, id](Thread& watcher) {
      while (!over) {
        const auto entry = rig.host.tables.read_entry(*rig.host.tables.entry(device, Pasid(id)));
        ++(entry.present ? present : absent);
        if (entry.present && (roots.empty() || roots.back() != entry.first_level))
          roots.push_back(entry.first_level);
        watcher.run(1ns);
      }
    });
    rig.write(device, id, VmRig::first_level(0x20000));
    CHECK(rig.announce(thread, id) == Errno::ok);
    over = true;
  });
  CHECK(roots == std::vector<Hpa>{Hpa(0x10000), Hpa(0x20000)});
  CHECK(present > 1000);
  CHECK((absent == 0) == modern);
  CHECK(rig.v.viommu.stats.rebound == 1);
  CHECK(rig.v.viommu.shadows() == 1);
}

TEST_CASE("a guest's number is the host's, and stands for another table with each device",
          "[iommufd]") {
  Emulated rig(on(Flow::iommufd));
  rig.run([&](Thread& thread) {
    rig.vm.bind(thread, rig.v, device, 40, 0x10000);
    rig.vm.bind(thread, rig.v, neighbour, 40, 0x20000);
    const auto entry = [&](Bdf function) {
      return rig.host.tables.read_entry(*rig.host.tables.entry(function, Pasid(40)));
    };
    CHECK(entry(device).first_level == Hpa(0x10000));
    CHECK(entry(neighbour).first_level == Hpa(0x20000));
    CHECK(entry(device).domain != entry(neighbour).domain);
    CHECK(rig.vm.hypervisor.host_of(0, Pasid(40)) == Pasid(40));
    CHECK(!rig.vm.hypervisor.host_of(0, Pasid(41)));
    CHECK(rig.vm.hypervisor.host().same_numbers(0));
    CHECK(rig.vm.hypervisor.mapped() == 2);
    CHECK(rig.host.pasids.space().size() == 0);
    rig.vm.unbind(thread, rig.v, device, 40);
    rig.vm.unbind(thread, rig.v, neighbour, 40);
    CHECK(rig.vm.hypervisor.mapped() == 0);
    // Requests without a PASID use the guest's memory all the while.
    CHECK(rig.host.entry(device, Pasid(0)));
    CHECK(rig.vm.file->attachments() == 2);
  });
}

TEST_CASE("a guest's flushes up to a wait are one array, in which equal ones are one",
          "[iommufd]") {
  Emulated rig(on(Flow::iommufd));
  rig.run([&](Thread& thread) {
    rig.vm.bind(thread, rig.v, device, 5);
    rig.vm.bind(thread, rig.v, neighbour, 5);
    vtd::Descriptor order;
    order.type = vtd::DescriptorType::pasid_iotlb;
    order.granularity = vtd::Granularity::page;
    order.domain = DomainId(1);
    order.pasid = Pasid(5);
    order.address = Iova(0x8000);
    rig.host.iommu.log.clear();
    const std::uint64_t calls = rig.vm.machine.paths.ioctls;
    const std::uint64_t entries = rig.vm.file->stats.entries;
    CHECK(rig.v.iommu.submit(thread, {&order, 1}) == Errno::ok);
    CHECK(rig.vm.machine.paths.ioctls - calls == 1);
    CHECK(rig.vm.file->stats.entries - entries == 1);  // both devices' by one command
    CHECK(rig.host.iommu.log.size() == 1);
    CHECK(rig.host.iommu.log[0].find("01:00.0 pasid 5 0x8000+2^0") != std::string::npos);
    CHECK(rig.host.iommu.log[0].find("01:00.1 pasid 5 0x8000+2^0") != std::string::npos);
  });
}

TEST_CASE("flushes ahead of a change of an entry are done before it", "[iommufd]") {
  const Flow flow = GENERATE(Flow::vfio, Flow::iommufd);
  Emulated rig(on(flow));
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    vtd::Descriptor flush;
    flush.type = vtd::DescriptorType::pasid_iotlb;
    flush.granularity = vtd::Granularity::page;
    flush.domain = DomainId(1);
    flush.pasid = Pasid(id);
    flush.address = Iova(0x8000);
    vtd::Descriptor gone;
    gone.type = vtd::DescriptorType::pasid_cache;
    gone.granularity = vtd::Granularity::pasid;
    gone.domain = DomainId(1);
    gone.pasid = Pasid(id);
    rig.write(device, id, VmRig::first_level(0x10000), false);
    const std::vector<vtd::Descriptor> both{flush, gone};
    CHECK(rig.v.iommu.submit(thread, both) == Errno::ok);
    REQUIRE(rig.host.iommu.log.size() >= 4);
    CHECK(rig.host.iommu.log[0].starts_with("pasid-iotlb pasid 1"));
    CHECK(rig.host.iommu.log[1].starts_with("pasid-cache pasid 1"));
    CHECK(!rig.host.entry(device, Pasid(id)));
  });
}

TEST_CASE("what the host refuses to bind leaves no object behind", "[iommufd]") {
  Emulated rig(on(Flow::iommufd));
  rig.host.iommu.can.five_levels = false;
  rig.run([&](Thread& thread) {
    const std::size_t objects = rig.vm.file->objects().size();
    vtd::PasidEntry wide = VmRig::first_level(0x10000);
    wide.first_level_mode = 1;
    rig.write(device, 7, wide);
    rig.announce(thread, 7);
    CHECK(rig.v.viommu.bind_errors().at(Errno::einval) == 1);
    CHECK(rig.vm.file->objects().size() == objects);
    // In place of one that was bound: that one is not what the guest wants any more.
    rig.write(device, 8, VmRig::first_level(0x10000));
    rig.announce(thread, 8);
    CHECK(rig.host.entry(device, Pasid(8)));
    rig.write(device, 8, wide);
    rig.announce(thread, 8);
    CHECK(!rig.host.entry(device, Pasid(8)));
    CHECK(rig.v.viommu.stats.bind_failed == 2);
    CHECK(rig.v.viommu.shadows() == 0);
    CHECK(rig.vm.file->objects().size() == objects);
  });
}

TEST_CASE("a guest's answer after its unbind is no call", "[iommufd]") {
  Emulated rig(on(Flow::iommufd));
  rig.v.handler.answers = false;
  rig.run([&](Thread& thread) {
    rig.vm.bind(thread, rig.v, device, 5);
    CHECK(rig.vm.fault(0, page_request(device, 5, 9)));
    thread.sleep(50us);
    CHECK(rig.v.handler.requests.size() == 1);
    CHECK(rig.vm.unbind(thread, rig.v, device, 5) == Errno::ok);
    const std::uint64_t calls = rig.vm.machine.paths.ioctls;
    const vtd::Descriptor late = descriptor_of({device, Pasid(5), 9, PageResponseCode::success});
    CHECK(rig.v.iommu.submit(thread, {&late, 1}) == Errno::ok);
    CHECK(rig.vm.machine.paths.ioctls == calls);
  });
  CHECK(rig.v.viommu.stats.responses_refused == 1);
  CHECK(rig.vm.file->fault_stats.answered_for_user == 1);
  CHECK(rig.vm.file->fault_stats.unmatched == 0);
}

TEST_CASE("a full page request queue of the guest: the device is told to ask again, either way",
          "[iommufd]") {
  VmOptions options = on(GENERATE(Flow::vfio, Flow::iommufd));
  options.viommu.page_request_entries = 128;
  Emulated rig(options);
  rig.v.handler.answers = false;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    for (std::uint16_t group = 0; group < 130; ++group)
      CHECK(rig.vm.fault(0, page_request(device, id, group)));
  });
  CHECK(rig.v.viommu.stats.pages_dropped == 3);
  CHECK(std::count_if(rig.host.iommu.log.begin(), rig.host.iommu.log.end(),
                      [](const std::string& line) { return line.ends_with("code 0"); }) == 3);
}

TEST_CASE("a device is taken away while the others work, and comes again", "[iommufd]") {
  Emulated rig(on(Flow::iommufd));
  rig.run([&](Thread& thread) {
    rig.vm.bind(thread, rig.v, device, 5);
    rig.vm.bind(thread, rig.v, neighbour, 5);
    thread.away([&] {
      const Guard guard(rig.vm.machine.emulation(), thread);
      rig.vm.flow->unplug(thread, 0);
    });
    CHECK(!rig.host.entry(device, Pasid(5)));
    CHECK(!rig.host.entry(device, Pasid(0)));
    CHECK(rig.host.entry(neighbour, Pasid(5)));
    CHECK(rig.vm.unmap(thread, rig.v, neighbour, 5) == Errno::ok);
    CHECK(rig.host.iommufd.owners.size() == 1);
    thread.away([&] {
      const Guard guard(rig.vm.machine.emulation(), thread);
      CHECK(rig.vm.flow->plug(thread, 0) == Errno::ok);
    });
    CHECK(rig.host.entry(device, Pasid(0)));
  });
}

TEST_CASE("a machine does not start with a function that is another's", "[iommufd]") {
  HostRig host;
  VmRig one(host, "vm0", on(Flow::iommufd));
  VmRig two(host, "vm1", on(Flow::iommufd), 2);
  one.add_device(one.add_viommu(), device);
  two.add_device(two.add_viommu(), device);
  host.engine.run();
  CHECK((one.opened == Errno::ok) != (two.opened == Errno::ok));
  CHECK((one.opened == Errno::ebusy) != (two.opened == Errno::ebusy));
}

TEST_CASE("a machine may die while it opens its file, nothing of it is left", "[iommufd]") {
  for (Ps when = 100us; when < 320us; when += 1900ns) {
    HostRig host;
    VmRig vm(host, "vm0", on(Flow::iommufd));
    vm.add_device(vm.add_viommu(), device);
    host.job(at(when), [&](Thread&) { vm.machine.kill(); });
    host.engine.run();
    INFO("killed at " << when.count() << " ps");
    CHECK(vm.machine.closed());
    CHECK(vm.nothing_left());
    CHECK(host.iommufd.owners.empty());
    CHECK(!host.entry(device, Pasid(0)));
  }
}

TEST_CASE(
    "slices of one function in two machines: the same number, each with its own page requests",
    "[iommufd]") {
  HostRig host;
  VmRig one(host, "vm0", on(Flow::iommufd));
  VmRig two(host, "vm1", on(Flow::iommufd), 2);
  GuestFaultRouter router;
  for (VmRig* vm : {&one, &two}) vm->route(router, vm->add_device(vm->add_viommu(), device, true));
  const auto bind = [&](VmRig& vm, std::uint64_t root) {
    vm.job(0ns, [&vm, root](Thread& thread) { vm.bind(thread, *vm.viommus[0], device, 40, root); });
  };
  bind(one, 0x10000);
  bind(two, 0x20000);
  host.job(at(VmRig::booted + 500us), [&](Thread& thread) {
    const Pasid first = *one.hypervisor.host_of(0, Pasid(40));
    const Pasid second = *two.hypervisor.host_of(0, Pasid(40));
    CHECK(first != second);
    CHECK(!one.hypervisor.host().same_numbers(0));
    CHECK(host.global.size() == 4);  // default ones, too
    CHECK(router.report(thread, page_request(device, second.value(), 3)));
    CHECK(!router.report(thread, page_request(device, 77, 4)));
    thread.sleep(500us);
    CHECK(one.viommus[0]->handler.requests.empty());
    REQUIRE(two.viommus[0]->handler.requests.size() == 1);
    CHECK(two.viommus[0]->handler.requests[0].pasid == Pasid(40));
    one.machine.kill();
    two.machine.kill();
  });
  host.engine.run();
  CHECK(one.nothing_left());
  CHECK(two.nothing_left());
  CHECK(host.global.size() == 0);
}
