// Path lengths: how often each operation of a guest changes worlds, and what it takes on an idle machine.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/vm_rig.hpp"

#include <string>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf device{1, 0, 0};
constexpr Bdf second{2, 0, 0};

// What the host's driver itself takes is as in the printed sums: a new entry costs its flush.
IommuDriverParams printed() {
  IommuDriverParams params;
  params.table_write = params.barrier = Ps(0);
  params.write_buffer_flush = 2us;
  return params;
}

struct Paths {
  Paths() : host(printed()), vm(host, "vm0"), v(vm.add_viommu()) {
    host.iommu.can.write_buffer = true;
    vm.add_device(v, device);
    REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
  }
  void run(std::function<void(Thread&)> work) {
    vm.job(0ns, std::move(work));
    host.engine.run();
  }
  // How far it is, and how long it takes.
  template <class F>
  PathLengths path(Thread& thread, F&& operation) {
    const PathLengths before = vm.machine.paths;
    const Instant since = thread.now();
    operation();
    took = thread.now() - since;
    return vm.machine.paths - before;
  }

  HostRig host;
  VmRig vm;
  ViommuRig& v;
  Ps took{0};
};

constexpr Ps user_exit = 3700ns;
constexpr Ps system_call = 300ns;

}  // namespace

TEST_CASE("a change of worlds costs its parameter, split between the way in and the way out",
          "[vmm]") {
  HostRig host;
  VmRig vm(host, "vm0");
  vm.job(0ns, [&](Thread& thread) {
    const Instant since = thread.now();
    vm.machine.exit_to_kernel(thread, [&] { CHECK(thread.now() - since == 600ns); });
    CHECK(thread.now() - since == 1200ns);
    vm.machine.exit_to_user(thread, [&] {
      CHECK(thread.is_away());
      CHECK(thread.now() - since == 1200ns + 1850ns);
      CHECK(vm.machine.ioctl(thread, [&] {
        CHECK(thread.now() - since == 1200ns + 1850ns + 150ns);
        return 7;
      }) == 7);
    });
    CHECK(!thread.is_away());
    CHECK(thread.now() - since == 1200ns + 3700ns + 300ns);
  });
  host.engine.run();
  CHECK(vm.machine.paths.kernel_exits == 1);
  CHECK(vm.machine.paths.user_exits == 1);
  CHECK(vm.machine.paths.ioctls == 1);
  CHECK(vm.cpus.stats(0).away == 5200ns);
}

TEST_CASE(
    "allocate is two exits and an ioctl: 2 x (1.2 + 2.5) + 0.3 + 0.7 = 8.4 us, free is the same",
    "[vmm]") {
  Paths rig;
  rig.run([&](Thread& thread) {
    ioasid::Ioasid id = 0;
    const PathLengths expected{.user_exits = 2, .ioctls = 1};
    CHECK(rig.path(thread, [&] { id = rig.vm.alloc(); }) == expected);
    CHECK(rig.took == 8400ns);
    CHECK(rig.path(thread, [&] { rig.vm.space.free(id); }) == expected);
    CHECK(rig.took == 8400ns);
  });
}

TEST_CASE("bind is two kicks and an ioctl: 2 x (1.2 + 2.5) + 5 + 2 = 14.4 us", "[vmm]") {
  Paths rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    const auto path =
        rig.path(thread, [&] { CHECK(rig.vm.bind(thread, rig.v, device, id) == Errno::ok); });
    CHECK(path == PathLengths{.user_exits = 2, .kicks = 2, .ioctls = 1});
    CHECK(rig.took == 2 * user_exit + system_call + 4700ns + 2us);
    CHECK(rig.took == 14400ns);
    CHECK(rig.host.entry(device, Pasid(id)));
    CHECK(rig.v.viommu.stats.flushes_skipped == 1);
  });
}

TEST_CASE("unmap is a kick and an ioctl: 1.2 + 2.5 + 0.3 + 0.7 + 1.5 = 6.2 us", "[vmm]") {
  Paths rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    const auto path =
        rig.path(thread, [&] { CHECK(rig.vm.unmap(thread, rig.v, device, id) == Errno::ok); });
    CHECK(path == PathLengths{.user_exits = 1, .kicks = 1, .ioctls = 1});
    CHECK(rig.took == 6200ns);
  });
  CHECK(rig.host.iommu.log ==
        std::vector<std::string>{"pasid-iotlb pasid 1 did 2 0x7f0000000000+2^0 IH + "
                                 "pasid-device-tlb 01:00.0 pasid 1 0x7f0000000000+2^0"});
}

TEST_CASE("unbind is two kicks and an ioctl, in which the host tears down", "[vmm]") {
  Paths rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.iommu.log.clear();
    const auto path =
        rig.path(thread, [&] { CHECK(rig.vm.unbind(thread, rig.v, device, id) == Errno::ok); });
    CHECK(path == PathLengths{.user_exits = 2, .kicks = 2, .ioctls = 1});
    CHECK(!rig.host.entry(device, Pasid(id)));
  });
  const std::vector<std::string> teardown{"pasid-cache pasid 1 did 2", "iotlb did 2",
                                          "pasid-device-tlb 01:00.0 pasid 1 all"};
  CHECK(rig.host.iommu.log == teardown);
  CHECK(rig.took == 2 * user_exit + system_call + 4700ns + 3 * rig.host.iommu.cost);
}

TEST_CASE("a PASID bound to n devices takes n ioctls", "[vmm]") {
  Paths rig;
  rig.vm.add_device(rig.v, second);
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    // Both entries are written before the guest announces them with one descriptor.
    for (const Bdf function : {device, second}) {
      vtd::PasidEntry entry = VmRig::first_level(0x10000);
      entry.present = true;
      rig.v.tables.set_entry(function, Pasid(id), entry);
    }
    vtd::Descriptor announce;
    announce.type = vtd::DescriptorType::pasid_cache;
    announce.granularity = vtd::Granularity::pasid;
    announce.domain = IommuDriver::first_level_domain;
    announce.pasid = Pasid(id);
    const auto path = rig.path(thread, [&] { rig.v.iommu.submit(thread, {&announce, 1}); });
    CHECK(path == PathLengths{.user_exits = 1, .kicks = 1, .ioctls = 2});
    CHECK(rig.host.entry(device, Pasid(id)));
    CHECK(rig.host.entry(second, Pasid(id)));
  });
}

TEST_CASE("guest-wide PASIDs cost a bind and an unbind one ioctl more, and an allocation nothing",
          "[vmm]") {
  VmOptions options;
  options.scope = PasidScope::guest_wide;
  HostRig host;
  VmRig vm(host, "vm0", options);
  ViommuRig& v = vm.add_viommu();
  vm.add_device(v, device);
  ioasid::GuestLocalBackend local;
  const ioasid::AllocatorOps ops{&local, &local, nullptr};
  REQUIRE(vm.space.register_allocator(ops) == ioasid::Error::ok);
  vm.job(0ns, [&](Thread& thread) {
    PathLengths before = vm.machine.paths;
    const ioasid::Ioasid id = vm.alloc();
    CHECK(vm.machine.paths == before);
    vm.bind(thread, v, device, id);
    CHECK(vm.machine.paths - before == PathLengths{.user_exits = 2, .kicks = 2, .ioctls = 2});
    before = vm.machine.paths;
    vm.unbind(thread, v, device, id);
    CHECK(vm.machine.paths - before == PathLengths{.user_exits = 2, .kicks = 2, .ioctls = 2});
  });
  host.engine.run();
  CHECK(vm.nothing_left());
}

TEST_CASE(
    "a fault is a host interrupt, an event, an injected interrupt, a response kick and an ioctl",
    "[vmm]") {
  Paths rig;
  Instant asked;
  Instant answered;
  PathLengths before;
  rig.host.iommu.before = [&](const std::string& line) {
    if (line.starts_with("response")) answered = rig.host.engine.now();
  };
  rig.vm.job(0ns, [&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.workers.post([&, id](Thread&) {
      asked = rig.host.engine.now();
      before = rig.vm.machine.paths;
      CHECK(rig.vm.container.forward_fault(0, page_request(device, id, 5)));
    });
  });
  rig.host.engine.run();
  const PathLengths path = rig.vm.machine.paths - before;
  CHECK(path.host_interrupts == 1);
  CHECK(path.eventfds == 1);
  CHECK(path.injected == 1);
  CHECK(path.kicks == 1);
  CHECK(path.ioctls == 1);
  // Besides the kick: the pending bit is cleared, tail and head read, the head moved, and the overflow
  // bit looked at.
  CHECK(path.user_exits == 1 + 5);
  CHECK(path.kernel_exits == 0);
  // Event, injection, interrupt thread; three registers; kick and ioctl as far as the host's queue.
  CHECK(answered - asked ==
        3us + 1200ns + 3us + 3 * user_exit + user_exit / 2 + system_call / 2 + 500ns);
  CHECK(rig.host.iommu.log.back() == "response 01:00.0 group 5 code 0");
  CHECK(rig.vm.nothing_left() == false);  // still bound
  CHECK(rig.vm.container.pending_faults() == 0);
}

TEST_CASE("several faults at once are one event and one interrupt, and an answer each", "[vmm]") {
  Paths rig;
  PathLengths before;
  rig.vm.job(0ns, [&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.workers.post([&, id](Thread&) {
      before = rig.vm.machine.paths;
      for (std::uint16_t group = 0; group < 8; ++group) {
        rig.vm.container.forward_fault(0, page_request(device, id, group, false));
        rig.vm.container.forward_fault(0, page_request(device, id, group));
      }
    });
  });
  rig.host.engine.run();
  const PathLengths path = rig.vm.machine.paths - before;
  CHECK(path.eventfds == 1);
  CHECK(path.injected == 1);
  CHECK(path.kicks == 8);
  CHECK(rig.v.viommu.stats.page_requests == 16);
  CHECK(rig.vm.container.fault_stats().answered == 8);
}

TEST_CASE("vCPUs that invalidate through one vIOMMU do so one after the other", "[vmm]") {
  VmOptions options;
  options.vcpus = 8;
  HostRig host;
  VmRig vm(host, "vm0", options);
  ViommuRig& v = vm.add_viommu();
  vm.add_device(v, device);
  REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
  Instant since;
  Instant last;
  vm.job(0ns, [&](Thread& thread) {
    const ioasid::Ioasid id = vm.alloc();
    vm.bind(thread, v, device, id);
    since = thread.now();
    for (int i = 0; i < 7; ++i) {
      vm.workers.post([&, id](Thread& other) {
        vm.unmap(other, v, device, id);
        last = other.now();
      });
    }
  });
  host.engine.run();
  CHECK(last - since == 7 * 6200ns + 6 * 100ns);
  CHECK(v.iommu.queue_lock().stats.contended == 6);
  CHECK(v.iommu.queue_lock().stats.longest_wait == 6 * 6300ns);
}
