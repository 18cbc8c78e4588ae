// Path lengths of both host interfaces side by side: how often each operation of a guest changes worlds,
// and what it takes on an idle machine.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/vm_rig.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf device{1, 0, 0};
constexpr Bdf second{2, 0, 0};

// As in the printed sums: a new entry costs its flush of 2 us, a submission 1.5 us.
IommuDriverParams printed() {
  IommuDriverParams params;
  params.table_write = params.barrier = Ps(0);
  params.write_buffer_flush = 2us;
  return params;
}

struct Paths {
  explicit Paths(Flow flow, bool two = false, bool direct = false)
      : modern(flow == Flow::iommufd),
        host(printed()),
        vm(host, "vm0", options(flow, direct)),
        v(vm.add_viommu()) {
    host.iommu.can.write_buffer = true;
    vm.add_device(v, device);
    if (two) vm.add_device(v, second);
    if (!modern) REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
  }
  static VmOptions options(Flow flow, bool direct) {
    VmOptions options;
    options.flow = flow;
    options.viommu.direct_invalidation = direct;
    return options;
  }
  void run(std::function<void(Thread&)> work) {
    vm.job(0ns, std::move(work));
    host.engine.run();
  }
  template <class F>
  PathLengths path(Thread& thread, F&& operation) {
    const PathLengths before = vm.machine.paths;
    const Instant since = thread.now();
    operation();
    took = thread.now() - since;
    return vm.machine.paths - before;
  }
  Ps submissions(std::int64_t count) const { return count * host.iommu.cost; }

  bool modern;
  HostRig host;
  VmRig vm;
  ViommuRig& v;
  Ps took{0};
};

constexpr Ps user_exit = 3700ns;
constexpr Ps system_call = 300ns;
// Of VfioParams and IommufdParams.
constexpr Ps bind = 4700ns;
constexpr Ps table = 1200ns;
constexpr Ps attach = 3500ns;
constexpr Ps destroy = 500ns;
constexpr Ps invalidate = 700ns;
constexpr Ps entry = 50ns;

vtd::Descriptor pages(ioasid::Ioasid pasid, std::uint64_t address) {
  vtd::Descriptor order;
  order.type = vtd::DescriptorType::pasid_iotlb;
  order.granularity = vtd::Granularity::page;
  order.domain = IommuDriver::first_level_domain;
  order.pasid = Pasid(pasid);
  order.address = Iova(address);
  return order;
}

Flow both() { return GENERATE(Flow::vfio, Flow::iommufd); }

}  // namespace

TEST_CASE(
    "a guest that chooses its PASIDs allocates and frees without leaving, one that asks for "
    "them takes 8.4 us each",
    "[iommufd]") {
  Paths rig(both());
  rig.run([&](Thread& thread) {
    const PathLengths expected =
        rig.modern ? PathLengths{} : PathLengths{.user_exits = 2, .ioctls = 1};
    const Ps cost = rig.modern ? 0ns : 2 * user_exit + system_call + 700ns;
    ioasid::Ioasid id = 0;
    CHECK(rig.path(thread, [&] { id = rig.vm.alloc(); }) == expected);
    CHECK(id == 1);
    CHECK(rig.took == cost);
    CHECK(rig.path(thread, [&] { rig.vm.space.free(id); }) == expected);
    CHECK(rig.took == cost);
    CHECK(!rig.v.channel.offers_pasids(thread) == rig.modern);
  });
}

TEST_CASE(
    "bind: 2 kicks and 1 call, 14.4 us, or 2 calls, to make a table and to attach it, 14.7 us",
    "[iommufd]") {
  Paths rig(both());
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    const auto path =
        rig.path(thread, [&] { CHECK(rig.vm.bind(thread, rig.v, device, id) == Errno::ok); });
    CHECK(path == PathLengths{.user_exits = 2, .kicks = 2, .ioctls = rig.modern ? 2U : 1U});
    CHECK(rig.took == 2 * user_exit + 2us +
                          (rig.modern ? 2 * system_call + table + attach : system_call + bind));
    CHECK(rig.took == (rig.modern ? 14700ns : 14400ns));
    CHECK(rig.host.entry(device, Pasid(id)));
  });
}

TEST_CASE("a PASID bound to n devices takes n calls, or 2 n", "[iommufd]") {
  Paths rig(both(), true);
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    for (const Bdf function : {device, second}) {
      vtd::PasidEntry of_guest = VmRig::first_level(0x10000);
      of_guest.present = true;
      rig.v.tables.set_entry(function, Pasid(id), of_guest);
    }
    vtd::Descriptor announce;
    announce.type = vtd::DescriptorType::pasid_cache;
    announce.granularity = vtd::Granularity::pasid;
    announce.domain = IommuDriver::first_level_domain;
    announce.pasid = Pasid(id);
    const auto path = rig.path(thread, [&] { rig.v.iommu.submit(thread, {&announce, 1}); });
    CHECK(path == PathLengths{.user_exits = 1, .kicks = 1, .ioctls = rig.modern ? 4U : 2U});
  });
}

TEST_CASE("one unmap is a kick and a call either way: 6.2 us, and 50 ns for the array",
          "[iommufd]") {
  Paths rig(both());
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    const auto path =
        rig.path(thread, [&] { CHECK(rig.vm.unmap(thread, rig.v, device, id) == Errno::ok); });
    CHECK(path == PathLengths{.user_exits = 1, .kicks = 1, .ioctls = 1});
    CHECK(rig.took == (rig.modern ? 6250ns : 6200ns));
  });
}

TEST_CASE("by a queue of hardware's an unmap is its submission alone, and reaches the same caches",
          "[iommufd][direct]") {
  const Flow flow = both();
  std::vector<std::vector<std::string>> logs;
  for (const bool direct : {false, true}) {
    Paths rig(flow, false, direct);
    rig.run([&](Thread& thread) {
      const ioasid::Ioasid id = rig.vm.alloc();
      const auto bound = rig.path(thread, [&] { rig.vm.bind(thread, rig.v, device, id); });
      CHECK(bound.kicks == (direct ? 1U : 2U));
      rig.host.iommu.log.clear();
      const auto path =
          rig.path(thread, [&] { CHECK(rig.vm.unmap(thread, rig.v, device, id) == Errno::ok); });
      logs.push_back(rig.host.iommu.log);
      if (!direct) return;
      CHECK(path == PathLengths{});
      CHECK(rig.took == rig.host.iommu.cost);
      rig.host.iommu.log.clear();
      CHECK(rig.vm.unbind(thread, rig.v, device, id) == Errno::ok);
      CHECK(!rig.host.entry(device, Pasid(id)));
    });
  }
  CHECK(!logs[0].empty());
  CHECK(logs[0] == logs[1]);
}

TEST_CASE("two vCPUs that unmap do not wait for each other by a queue of hardware's",
          "[iommufd][direct]") {
  const bool direct = GENERATE(false, true);
  Paths rig(Flow::iommufd, false, direct);
  std::vector<Ps> took;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    const auto unmap = [&](Thread& vcpu) {
      const Instant since = vcpu.now();
      CHECK(rig.vm.unmap(vcpu, rig.v, device, id) == Errno::ok);
      took.push_back(vcpu.now() - since);
    };
    rig.vm.job(thread.now() - at(rig.vm.booted), unmap);
    unmap(thread);
  });
  REQUIRE(took.size() == 2);
  CHECK(took[0] == (direct ? 1500ns : 6250ns));
  CHECK(took[1] == (direct ? took[0] : 2 * took[0] + 100ns));  // the lock's handover
}

TEST_CASE("n flushes behind one kick are n calls and submissions, or one call in batches of 16",
          "[iommufd]") {
  const std::int64_t n = GENERATE(2, 8, 64);
  Paths rig(both());
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    std::vector<vtd::Descriptor> all;
    for (std::int64_t i = 0; i < n; ++i)
      all.push_back(pages(id, static_cast<std::uint64_t>(i) << 13U));
    rig.host.iommu.log.clear();
    const auto path = rig.path(thread, [&] { rig.v.iommu.submit(thread, all); });
    const std::int64_t calls = rig.modern ? 1 : n;
    const std::int64_t submitted = rig.modern ? (2 * n + 15) / 16 : n;
    CHECK(path.kicks == 1);
    CHECK(path.ioctls == static_cast<std::uint64_t>(calls));
    CHECK(rig.host.iommu.log.size() == static_cast<std::size_t>(submitted));
    CHECK(rig.took == user_exit + calls * (system_call + invalidate) +
                          (rig.modern ? n * entry : 0ns) + rig.submissions(submitted));
  });
  if (n == 8) CHECK(rig.took == (rig.modern ? 6600ns : 23700ns));
  if (n == 64) CHECK(rig.took == (rig.modern ? 19900ns : 163700ns));
}

TEST_CASE("a changed entry: unbound and bound, 2 calls, or made, exchanged and destroyed, 3 calls",
          "[iommufd]") {
  Paths rig(both());
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    vtd::PasidEntry moved = VmRig::first_level(0x20000);
    moved.present = true;
    rig.v.tables.set_entry(device, Pasid(id), moved);
    vtd::Descriptor announce;
    announce.type = vtd::DescriptorType::pasid_cache;
    announce.granularity = vtd::Granularity::pasid;
    announce.domain = IommuDriver::first_level_domain;
    announce.pasid = Pasid(id);
    const auto path = rig.path(thread, [&] { rig.v.iommu.submit(thread, {&announce, 1}); });
    CHECK(path == PathLengths{.user_exits = 1, .kicks = 1, .ioctls = rig.modern ? 3U : 2U});
    // PASID cache, IOTLB, device TLB; and the old table's domain, before its number is another's.
    CHECK(rig.took ==
          user_exit + (rig.modern
                           ? 3 * system_call + table + attach + destroy + rig.submissions(3 + 1)
                           : 2 * (system_call + bind) + 2us + rig.submissions(3)));
    CHECK(rig.took == (rig.modern ? 15800ns : 20200ns));
    CHECK(rig.host.entry(device, Pasid(id)));
  });
}

TEST_CASE("unbind: 2 kicks and 1 call, or 2 calls, to detach and to destroy", "[iommufd]") {
  Paths rig(both());
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    const auto path =
        rig.path(thread, [&] { CHECK(rig.vm.unbind(thread, rig.v, device, id) == Errno::ok); });
    CHECK(path == PathLengths{.user_exits = 2, .kicks = 2, .ioctls = rig.modern ? 2U : 1U});
    CHECK(rig.took ==
          2 * user_exit + (rig.modern ? 2 * system_call + attach + destroy + rig.submissions(3 + 1)
                                      : system_call + bind + rig.submissions(3)));
    CHECK(rig.took == (rig.modern ? 18000ns : 16900ns));
    CHECK(!rig.host.entry(device, Pasid(id)));
  });
}

TEST_CASE(
    "a fault is an interrupt, an event, an injection, a kick and the answer's call, a FAULT "
    "is also read by one",
    "[iommufd]") {
  Paths rig(both());
  Instant asked;
  Instant answered;
  PathLengths before;
  rig.host.iommu.before = [&](const std::string& line) {
    if (line.starts_with("response")) answered = rig.host.engine.now();
  };
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.host.workers.post([&, id](Thread&) {
      asked = rig.host.engine.now();
      before = rig.vm.machine.paths;
      CHECK(rig.vm.fault(0, page_request(device, id, 5)));
    });
  });
  CHECK(rig.vm.machine.paths - before == PathLengths{.user_exits = 1 + 5,
                                                     .kicks = 1,
                                                     .ioctls = rig.modern ? 2U : 1U,
                                                     .host_interrupts = 1,
                                                     .eventfds = 1,
                                                     .injected = 1});
  const Ps read = rig.modern ? system_call + 300ns : 0ns;
  CHECK(answered - asked ==
        3us + read + 1200ns + 3us + 3 * user_exit + user_exit / 2 + system_call / 2 + 500ns);
  CHECK(rig.host.iommu.log.back() == "response 01:00.0 group 5 code 0");
  CHECK(rig.vm.waiting_faults() == 0);
}

TEST_CASE("a machine's start takes 5 calls, and 3 for each device", "[iommufd]") {
  const bool two = GENERATE(false, true);
  Paths rig(Flow::iommufd, two);
  rig.run([&](Thread&) { CHECK(rig.vm.opened == Errno::ok); });
  CHECK(rig.vm.machine.paths.ioctls == (two ? 11 : 8));
  CHECK(rig.vm.file->stats.objects == (two ? 8 : 6));
}
