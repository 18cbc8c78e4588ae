// Guests with several vIOMMUs: one space behind all of them, a space each, and vIOMMUs that come and go.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/vm_rig.hpp"

#include <algorithm>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf device{1, 0, 0};
constexpr Bdf other_device{2, 0, 0};
using ioasid::Error;

// Two vIOMMUs with a device behind each; the allocators are still to be registered.
struct TwoViommus {
  explicit TwoViommus(const VmOptions& options = {})
      : vm(host, "vm0", options), first(vm.add_viommu()), second(vm.add_viommu()) {
    vm.add_device(first, device);
    vm.add_device(second, other_device);
  }
  void share() {
    REQUIRE(vm.space.register_allocator(first.ops) == Error::ok);
    REQUIRE(vm.space.register_allocator(second.ops) == Error::ok);
  }
  void run(std::function<void(Thread&)> work) {
    vm.job(0ns, std::move(work));
    host.engine.run();
  }
  // Its operator pulls a vIOMMU while the guest waits.
  void eject(Thread& thread, ViommuRig& rig) {
    Signal gone(host.engine, "the vIOMMU is ejected");
    host.workers.post([&](Thread& operator_thread) {
      rig.viommu.eject(operator_thread);
      gone.raise();
    });
    thread.wait(gone);
  }
  HostRig host;
  VmRig vm;
  ViommuRig& first;
  ViommuRig& second;
};

// Each vIOMMU has guest-wide numbers of its own.
struct Private : TwoViommus {
  Private() : TwoViommus(guest_wide()) {
    REQUIRE(vm.space.register_allocator(first_ops) == Error::ok);
    REQUIRE(vm.space.register_allocator(second_ops) == Error::ok);
  }
  static VmOptions guest_wide() {
    VmOptions options;
    options.scope = PasidScope::guest_wide;
    return options;
  }
  ioasid::GuestLocalBackend first_space{{100, 199}};
  ioasid::GuestLocalBackend second_space{{200, 299}};
  ioasid::AllocatorOps first_ops{&first_space, &first_space, nullptr};
  ioasid::AllocatorOps second_ops{&second_space, &second_space, nullptr};
};

}  // namespace

TEST_CASE("with one space, all commands go through the head, each device uses its own queue",
          "[vmm]") {
  TwoViommus rig;
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid one = rig.vm.alloc();
    const ioasid::Ioasid two = rig.vm.alloc();
    CHECK(rig.first.viommu.virtual_command().stats.commands == 2);
    CHECK(rig.second.viommu.virtual_command().stats.commands == 0);
    // System-wide: one PASID behind both.
    CHECK(rig.vm.bind(thread, rig.first, device, one) == Errno::ok);
    CHECK(rig.vm.bind(thread, rig.second, other_device, one) == Errno::ok);
    CHECK(rig.vm.bind(thread, rig.second, other_device, two) == Errno::ok);
    CHECK(rig.first.viommu.shadows() == 1);
    CHECK(rig.second.viommu.shadows() == 2);
    CHECK(rig.host.entry(device, Pasid(one)));
    CHECK(rig.host.entry(other_device, Pasid(one)));
  });
}

TEST_CASE("the head leaves: the next one's registers are used, and all ids stay", "[vmm]") {
  TwoViommus rig;
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid one = rig.vm.alloc();
    CHECK(rig.vm.space.unregister_allocator(rig.first.ops) == Error::ok);
    rig.eject(thread, rig.first);
    CHECK(rig.vm.space.find(nullptr, one));
    const ioasid::Ioasid two = rig.vm.alloc();
    CHECK(two == 2);
    CHECK(rig.second.viommu.virtual_command().stats.commands == 1);
    CHECK(rig.vm.space.free(one) == Error::ok);
    CHECK(rig.vm.container.pasids() == 1);
    // Plugged again it joins behind the other.
    CHECK(rig.vm.space.register_allocator(rig.first.ops) == Error::ok);
    rig.vm.alloc();
    CHECK(rig.second.viommu.virtual_command().stats.commands == 3);
  });
  CHECK(!rig.vm.machine.panicked());
}

TEST_CASE("as Linux 6.1 has it, the registers of a head that has left go on being used: a panic",
          "[vmm]") {
  VmOptions options;
  options.space.behaviour = ioasid::Behaviour::linux_6_1;
  options.commands.poll_limit = 1ms;
  TwoViommus rig(options);
  rig.share();
  rig.run([&](Thread& thread) {
    rig.vm.alloc();
    CHECK(rig.vm.space.unregister_allocator(rig.first.ops) == Error::ok);
    rig.eject(thread, rig.first);
    rig.vm.alloc();
    FAIL("the guest goes on");
  });
  REQUIRE(rig.vm.machine.panicked());
  CHECK(rig.vm.machine.panicked()->reason.find("vm0.v0") != std::string::npos);
}

TEST_CASE("one that is not the head leaves, and nothing changes", "[vmm]") {
  TwoViommus rig;
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid one = rig.vm.alloc();
    CHECK(rig.vm.space.unregister_allocator(rig.second.ops) == Error::ok);
    rig.eject(thread, rig.second);
    CHECK(rig.vm.alloc() == 2);
    CHECK(rig.first.viommu.virtual_command().stats.commands == 2);
    CHECK(rig.vm.space.free(one) == Error::ok);
  });
}

TEST_CASE("a guest has one command outstanding, however many vIOMMUs it has", "[vmm]") {
  VmOptions options;
  options.viommu.asynchronous_commands = true;
  TwoViommus rig(options);
  rig.share();
  for (int i = 0; i < 4; ++i) rig.vm.job(0ns, [&](Thread&) { rig.vm.alloc(); });
  rig.host.engine.run();
  CHECK(rig.vm.container.pasids() == 4);
  CHECK(rig.first.viommu.virtual_command().stats.dropped_busy == 0);
  CHECK(rig.second.viommu.virtual_command().stats.commands == 0);
  CHECK(rig.vm.pasids.spin_lock().stats.contended == 3);
}

TEST_CASE("a vCPU that goes past the locks finds the registers busy, and gets another's answer",
          "[vmm]") {
  VmOptions options;
  options.viommu.asynchronous_commands = true;
  options.vfio.allocate = 30us;
  TwoViommus rig(options);
  rig.share();
  std::uint64_t seen = 0;
  rig.vm.job(0ns, [&](Thread&) { CHECK(rig.vm.alloc() == 1); });
  rig.vm.job(8us, [&](Thread& thread) {
    rig.first.viommu.write(thread, 0xe00, 0x1);
    do seen = rig.first.viommu.read(thread, 0xe10);
    while ((seen & 1U) != 0);
  });
  rig.host.engine.run();
  CHECK(rig.first.viommu.virtual_command().stats.dropped_busy == 1);
  CHECK(seen == 0x10000);
  CHECK(rig.vm.container.pasids() == 1);
}

TEST_CASE("registering while the default allocator has ids is refused", "[vmm]") {
  TwoViommus rig;
  const ioasid::Ioasid early = rig.vm.alloc();
  CHECK(rig.vm.space.register_allocator(rig.first.ops) == Error::eagain);
  CHECK(rig.vm.space.free(early) == Error::ok);
  CHECK(rig.vm.space.register_allocator(rig.first.ops) == Error::ok);
  CHECK(rig.vm.space.register_allocator(rig.first.ops) == Error::eexist);
  rig.host.engine.run();
}

TEST_CASE(
    "the last one leaves with ids alive: orphans, which the host keeps until the machine goes",
    "[vmm]") {
  TwoViommus rig;
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    CHECK(rig.vm.space.unregister_allocator(rig.second.ops) == Error::ok);
    std::vector<ioasid::Ioasid> orphans;
    CHECK(rig.vm.space.unregister_allocator(rig.first.ops, &orphans) == Error::ok);
    CHECK(orphans == std::vector<ioasid::Ioasid>{id});
    CHECK(rig.vm.space.find(nullptr, id).error == Error::enoent);
    CHECK(rig.vm.space.free(id) == Error::enoent);
    CHECK(rig.vm.container.pasids() == 1);
    rig.eject(thread, rig.first);
    CHECK(rig.vm.container.pasids() == 1);
    rig.vm.machine.kill();
  });
  CHECK(rig.vm.container.stats.reclaimed == 1);
  CHECK(rig.vm.nothing_left());
}

TEST_CASE("with a space each, the first serves the whole guest and the second stands by", "[vmm]") {
  Private rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    CHECK(id == 100);
    CHECK(rig.vm.bind(thread, rig.second, other_device, id) == Errno::ok);
    CHECK(rig.vm.hypervisor.host_of(0, Pasid(id)) == Pasid(1));
    CHECK(rig.host.entry(other_device, Pasid(1)));
    // A switch with live ids makes orphans of them.
    std::vector<ioasid::Ioasid> orphans;
    CHECK(rig.vm.space.unregister_allocator(rig.first_ops, &orphans) == Error::ok);
    CHECK(orphans.size() == 1);
    CHECK(rig.vm.space.find(nullptr, id).error == Error::enoent);
    CHECK(rig.vm.alloc() == 200);
    CHECK(rig.vm.unbind(thread, rig.second, other_device, id) == Errno::ok);
  });
  CHECK(rig.vm.nothing_left());
  CHECK(rig.vm.hypervisor.mapped() == 0);
}

TEST_CASE("the one that stands by leaves without being missed, and the switch can be refused",
          "[vmm]") {
  Private rig;
  rig.run([&](Thread&) {
    CHECK(rig.vm.alloc() == 100);
    CHECK(rig.vm.space.unregister_allocator(rig.second_ops) == Error::ok);
    CHECK(rig.vm.alloc() == 101);
    CHECK(rig.vm.space.unregister_allocator(rig.first_ops) == Error::ok);
    CHECK(!rig.vm.space.custom_active());
  });
}

TEST_CASE("a vIOMMU that is pulled takes its bindings along, its ids stay charged", "[vmm]") {
  TwoViommus rig;
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.first, device, id);
    rig.vm.bind(thread, rig.second, other_device, id);
    rig.eject(thread, rig.first);
    CHECK(!rig.host.entry(device, Pasid(id)));
    CHECK(rig.host.entry(other_device, Pasid(id)));
    CHECK(rig.vm.container.pasids() == 1);
    // What the guest still writes to it is lost.
    CHECK(rig.vm.unmap(thread, rig.first, device, id) == Errno::enodev);
    CHECK(rig.first.iommu.stats.lost == 1);
  });
}

TEST_CASE("page requests of a device behind a vIOMMU that is gone are answered as invalid",
          "[vmm]") {
  TwoViommus rig;
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.first, device, id);
    CHECK(rig.vm.container.forward_fault(0, page_request(device, id, 7)));
    rig.eject(thread, rig.first);
    thread.sleep(100us);
    CHECK(!rig.vm.container.forward_fault(0, page_request(device, id, 8)));
  });
  const auto& log = rig.host.iommu.log;
  CHECK(std::count(log.begin(), log.end(), "response 01:00.0 group 7 code 1") == 1);
  CHECK(rig.vm.container.pending_faults() == 0);
}

TEST_CASE("a host that gives a live PASID again: the guest refuses it, and may not free it",
          "[vmm]") {
  VmOptions options;
  const bool keeps = options.space.keep_live_on_duplicate = GENERATE(false, true);
  TwoViommus rig(options);
  rig.share();
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    // Freed in the host behind the guest's back, as by a truncated number.
    CHECK(rig.vm.container.free_pasids(thread, {id, id}) == Errno::ok);
    CHECK(rig.vm.alloc() == ioasid::invalid_ioasid);
    CHECK(rig.vm.container.pasids() == (keeps ? 1 : 0));
    CHECK(rig.vm.space.find(nullptr, id));
  });
}
