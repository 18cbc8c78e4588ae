// The whole chain on hardware: a device uses addresses of a guest's process, asks for pages that the
// guest gives it, and forgets what the guest unmaps.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_fault_router.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kernel_rig.hpp"
#include "tests/support/vm_rig.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf function{1, 0, 0};
constexpr Iova page{0x7f00'0000'0000};
constexpr Hpa guest_frame{0x40'0000};

struct Chain {
  explicit Chain(Flow flow = Flow::vfio)
      : ids(host.rig.engine, "host0", host.pasids, 100ns),
        global(host.pasids),
        iommufd{global, {}},
        vm({host.rig.engine, host.workers, host.rig.memory, host.driver, ids, &host.requests,
            &iommufd},
           "vm0", options(flow)),
        v(vm.add_viommu()),
        device(host.devices.emplace_back(host.rig.engine, host.rig.unit(), function, 1)),
        process(vm.memory, TableFormat::first_level, 4) {
    vm.route(router, vm.add_device(v, function));
    REQUIRE(host.requests.register_handler(function, router) == Errno::ok);
    if (vm.hypervisor.host().gives_pasids())
      REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
    v.handler.on_request = [this](const PageRequest& request) {
      if (gives) process.map(request.address, guest_frame, 1, {true, true, false, true});
    };
    device.on_use = [this](Pasid, Iova, Hpa frame, Instant) { used.push_back(frame); };
  }
  static VmOptions options(Flow flow) {
    VmOptions options;
    options.flow = flow;
    return options;
  }
  void run(std::function<void(Thread&)> work) {
    vm.job(0ns, std::move(work));
    host.rig.engine.run();
  }
  ioasid::Ioasid bind(Thread& thread) {
    const ioasid::Ioasid id = vm.alloc();
    CHECK(vm.bind(thread, v, function, id, process.root().value()) == Errno::ok);
    return id;
  }

  KernelRig host;
  HostIds ids;
  GlobalPasids global;
  IommufdHost iommufd;
  VmRig vm;
  ViommuRig& v;
  ScriptedDevice& device;
  PageTable process;  // in the guest's memory
  GuestFaultRouter router;
  bool gives = true;
  std::vector<Hpa> used;
};

}  // namespace

TEST_CASE("a device gets a guest's page on demand, through both kernels", "[vmm]") {
  Chain chain(GENERATE(Flow::vfio, Flow::iommufd));
  chain.run([&](Thread& thread) {
    const ioasid::Ioasid id = chain.bind(thread);
    chain.device.access(Pasid(id), page, true);
    thread.sleep(200us);
    REQUIRE(chain.used.size() == 1);
    CHECK(chain.used[0] == *chain.vm.stage2.find(Iova(guest_frame.value())));
    CHECK(chain.device.cached(Pasid(id)) == 1);
    // Unmapped in the guest: the device has forgotten it when the guest goes on.
    chain.process.unmap(page, 1);
    CHECK(chain.v.driver.flush_first_level(thread, function, Pasid(id),
                                           IommuDriver::first_level_domain,
                                           {.address = page}) == Errno::ok);
    CHECK(chain.device.cached(Pasid(id)) == 0);
  });
  CHECK(chain.device.asked == 1);
  REQUIRE(chain.device.responses.size() == 1);
  CHECK(chain.device.responses[0].second.code == PageResponseCode::success);
  CHECK(chain.host.requests.stats.responses == 1);
  CHECK(chain.v.requests.stats.entries == 1);
  CHECK(chain.host.requests.pending() == 0);
}

TEST_CASE("what a guest does not answer, its unbind does, the drain does not wait for it",
          "[vmm]") {
  Chain chain(GENERATE(Flow::vfio, Flow::iommufd));
  chain.gives = false;
  chain.v.handler.answers = false;
  chain.run([&](Thread& thread) {
    const ioasid::Ioasid id = chain.bind(thread);
    chain.device.access(Pasid(id), page, true);
    thread.sleep(200us);
    CHECK(chain.v.handler.requests.size() == 1);
    CHECK(chain.host.requests.pending() == 1);
    CHECK(chain.vm.unbind(thread, chain.v, function, id) == Errno::ok);
    CHECK(chain.host.requests.pending() == 0);
    CHECK(chain.vm.space.free(id) == ioasid::Error::ok);
  });
  REQUIRE(chain.device.responses.size() == 1);
  CHECK(chain.device.responses[0].second.code == PageResponseCode::invalid);
  CHECK(chain.used.empty());
  CHECK(chain.host.driver.stats.drains == 1);
  CHECK(chain.vm.waiting_faults() == 0);
  CHECK(chain.vm.hypervisor.mapped() == 0);
  CHECK(chain.vm.container.pasids() == 0);
}

TEST_CASE("a machine dies under DMA and page requests: its devices are answered, and refused then",
          "[vmm]") {
  const Ps when = GENERATE(1us, 5us, 9us, 14us, 20us, 26us, 40us, 70us);
  Chain chain(GENERATE(Flow::vfio, Flow::iommufd));
  ioasid::Ioasid id = 0;
  chain.run([&](Thread& thread) {
    id = chain.bind(thread);
    chain.host.workers.post_at(thread.now() + when, [&](Thread&) { chain.vm.machine.kill(); });
    for (int i = 0; i < 8; ++i) {
      chain.device.access(Pasid(id), page + Bytes(static_cast<std::uint64_t>(i) << 12U), false);
      thread.run(3us);
    }
    thread.sleep(10ms);
    FAIL("the guest goes on");
  });
  CHECK(chain.vm.machine.closed());
  CHECK(chain.vm.nothing_left());
  CHECK(chain.host.requests.pending() == 0);
  CHECK(!chain.host.driver.present(function, Pasid(id)));
  CHECK(chain.device.cached(Pasid(id)) == 0);
  CHECK(chain.device.responses.size() == chain.device.asked);
  CHECK(chain.host.pasids.space().size() == 0);
}

TEST_CASE("a device's request with a PASID that no machine has bound is refused by the host",
          "[vmm]") {
  Chain chain(GENERATE(Flow::vfio, Flow::iommufd));
  chain.run([&](Thread& thread) {
    chain.device.ask(Pasid(77), {page}, false, 3);
    thread.sleep(100us);
    CHECK(chain.v.handler.requests.empty());
  });
  REQUIRE(chain.device.responses.size() == 1);
  CHECK(chain.device.responses[0].second.code == PageResponseCode::invalid);
  CHECK(chain.vm.waiting_faults() == 0);
}
