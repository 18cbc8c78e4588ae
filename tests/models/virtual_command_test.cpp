// Virtual commands: registers bit for bit, the state machine, the guest that polls, and what goes wrong.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/virtual_command.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/vm_rig.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr VcmdFormat current{VcmdLayout::current};
constexpr VcmdFormat old{VcmdLayout::old};
constexpr Pasid example{0x12345};

VcmdCommand allocate() { return {static_cast<std::uint8_t>(VcmdOpcode::allocate), Pasid(0)}; }
VcmdCommand free_of(Pasid pasid) { return {static_cast<std::uint8_t>(VcmdOpcode::free), pasid}; }

// One machine with one vIOMMU; the guest does `work` after it has registered its allocator.
struct OneViommu {
  explicit OneViommu(const VmOptions& options = {}) : vm(host, "vm0", options), v(vm.add_viommu()) {
    REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
  }
  void run(std::function<void(Thread&)> work) {
    vm.job(0ns, std::move(work));
    host.engine.run();
  }
  HostRig host;
  VmRig vm;
  ViommuRig& v;
};

VmOptions with(const ViommuParams& viommu) {
  VmOptions options;
  options.viommu = viommu;
  return options;
}

}  // namespace

TEST_CASE("commands and responses are encoded bit for bit, in both layouts", "[vmm]") {
  CHECK(current.encode(allocate()) == 0x1);
  CHECK(current.encode(free_of(example)) == 0x123450002);
  CHECK(current.encode(VcmdResponse{false, 0, example}) == 0x123450000);
  CHECK(current.encode(VcmdResponse{false, current.no_pasid(), Pasid(0)}) == 0x20);
  CHECK(old.encode(free_of(example)) == 0x1234502);
  CHECK(old.encode(VcmdResponse{false, old.no_pasid(), Pasid(0)}) == 0x4);
  CHECK(old.encode(VcmdResponse{false, 0, example}) == 0x1234500);
  CHECK(current.capability_at() == 0xe30);
  CHECK(current.command_at() == 0xe00);
  CHECK(current.response_at() == 0xe10);
  CHECK(old.capability_at() == 0xe00);
  CHECK(old.command_at() == 0xe10);
  CHECK(old.response_at() == 0xe20);
}

TEST_CASE("Linux 6.1 loses what its shift pushes out of 32 bits", "[vmm]") {
  CHECK(current.encode_truncated(free_of(example)) == 0x23450002);
  CHECK(current.decode_command(0x23450002) == free_of(Pasid(0x2345)));
  CHECK(old.encode_truncated(free_of(example)) == old.encode(free_of(example)));
}

TEST_CASE("what is encoded is decoded again, for every PASID", "[vmm]") {
  const VcmdFormat format(GENERATE(VcmdLayout::current, VcmdLayout::old));
  for (std::uint32_t pasid = 0; pasid <= pasid_max.value(); pasid += 37) {
    const VcmdCommand command = free_of(Pasid(pasid));
    const VcmdResponse response{true, 2, Pasid(pasid)};
    if (format.decode_command(format.encode(command)) != command) FAIL(pasid);
    if (format.decode_response(format.encode(response)) != response) FAIL(pasid);
  }
}

TEST_CASE("a command makes the channel busy, writes meanwhile are dropped and counted", "[vmm]") {
  Engine engine;
  VirtualCommand registers(engine, VcmdLayout::current, true);
  CHECK(registers.capability() == 1);
  const auto order = registers.write(0x1);
  REQUIRE(order);
  CHECK(order->command == allocate());
  CHECK(registers.busy());
  CHECK(registers.response() == 1);  // in progress, and nothing else
  CHECK(!registers.write(0x123450002));
  CHECK(registers.stats.dropped_busy == 1);
  CHECK(registers.response() == 1);
  registers.complete(order->number, 0, example);
  CHECK(registers.response() == 0x123450000);
  CHECK(!registers.busy());
  registers.complete(order->number, 0, Pasid(7));
  CHECK(registers.response() == 0x123450000);
  CHECK(registers.stats.late == 1);
  engine.run();
}

TEST_CASE("a new command clears the status of the one before", "[vmm]") {
  Engine engine;
  VirtualCommand registers(engine, VcmdLayout::current, true);
  registers.complete(registers.write(0x1)->number, 16);
  CHECK(registers.response() == 0x20);
  REQUIRE(registers.write(0x1));
  CHECK(registers.response() == 1);
  engine.run();
}

TEST_CASE("without PAS a write is ignored, and the response before stays", "[vmm]") {
  Engine engine;
  VirtualCommand registers(engine, VcmdLayout::current, false);
  CHECK(registers.capability() == 0);
  CHECK(!registers.write(0x1));
  CHECK(!registers.busy());
  CHECK(registers.response() == 0);
  CHECK(registers.stats.ignored == 1);
  engine.run();
}

TEST_CASE("an undefined opcode is completed with status 1, the null command with 0", "[vmm]") {
  Engine engine;
  VirtualCommand registers(engine, VcmdLayout::current, true);
  CHECK(!registers.write(0x77));
  CHECK(registers.response() == 1U << 1U);
  CHECK(registers.stats.undefined == 1);
  CHECK(!registers.write(0));
  CHECK(registers.response() == 0);
  engine.run();
}

TEST_CASE("a reset forgets the command, its completion is late", "[vmm]") {
  Engine engine;
  VirtualCommand registers(engine, VcmdLayout::current, true);
  const auto order = registers.write(0x1);
  registers.reset();
  CHECK(!registers.busy());
  CHECK(registers.response() == 0);
  const auto next = registers.write(0x1);
  registers.complete(order->number, 0, example);
  CHECK(registers.busy());
  registers.complete(next->number, 0, Pasid(9));
  CHECK(registers.response() == 0x90000);
  engine.run();
}

TEST_CASE("a guest gets its PASIDs from the host and gives them back", "[vmm]") {
  VmOptions options;
  options.viommu.layout = options.commands.layout = GENERATE(VcmdLayout::current, VcmdLayout::old);
  OneViommu rig(options);
  rig.run([&](Thread& thread) {
    CHECK(rig.v.channel.offers_pasids(thread));
    const ioasid::Ioasid first = rig.vm.alloc();
    const ioasid::Ioasid second = rig.vm.alloc();
    CHECK(first == 1);
    CHECK(second == 2);
    CHECK(rig.vm.container.pasids() == 2);
    CHECK(rig.vm.space.free(first) == ioasid::Error::ok);
    CHECK(rig.vm.container.pasids() == 1);
  });
  CHECK(rig.vm.backend.stats.allocated == 2);
  CHECK(rig.vm.backend.stats.freed == 1);
  CHECK(rig.vm.space.size() == 1);
}

TEST_CASE("a range that the host could not give is refused without leaving the guest", "[vmm]") {
  OneViommu rig;
  const ioasid::Range range = GENERATE(ioasid::Range{0, 5}, ioasid::Range{1, 0x100001});
  rig.run([&](Thread&) {
    CHECK(rig.vm.space.alloc(nullptr, range, nullptr) == ioasid::invalid_ioasid);
  });
  CHECK(rig.vm.backend.stats.out_of_range == 1);
  CHECK(rig.vm.machine.paths == PathLengths{});
}

TEST_CASE("at its quota a guest is told that there is no space", "[vmm]") {
  VmOptions options;
  options.vfio.quota = 2;
  options.viommu.layout = options.commands.layout = GENERATE(VcmdLayout::current, VcmdLayout::old);
  OneViommu rig(options);
  rig.run([&](Thread&) {
    CHECK(rig.vm.alloc() != ioasid::invalid_ioasid);
    CHECK(rig.vm.alloc() != ioasid::invalid_ioasid);
    CHECK(rig.vm.alloc() == ioasid::invalid_ioasid);
  });
  CHECK(rig.vm.backend.stats.no_space == 1);
  CHECK(rig.vm.container.stats.refused == 1);
  CHECK(rig.vm.container.pasids() == 2);
}

TEST_CASE("a guest that frees another machine's PASID is told that it is a bad one", "[vmm]") {
  OneViommu rig;
  VmRig other(rig.host, "vm1", {}, 2);
  rig.host.job(at(0ns), [&](Thread& thread) {
    CHECK(other.container.alloc_pasid(thread, {1, 0xfffff}).value() == Pasid(1));
  });
  VcmdResponse response;
  rig.run([&](Thread& thread) {
    response = rig.v.channel.exchange(thread, free_of(Pasid(1)));
    CHECK(response.status == 16);
    CHECK(rig.v.channel.exchange(thread, free_of(Pasid(999))).status == 16);
  });
  CHECK(other.container.pasids() == 1);
}

TEST_CASE("an undefined opcode reaches the guest as status 1", "[vmm]") {
  OneViommu rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.v.channel.exchange(thread, {0x55, Pasid(0)}).status == VcmdFormat::undefined);
  });
}

TEST_CASE("with PASIDs not offered the guest reads the response before: PASID 0, no error",
          "[vmm]") {
  ViommuParams hidden;
  hidden.offer_pasids = false;
  OneViommu rig(with(hidden));
  rig.run([&](Thread& thread) {
    CHECK(!rig.v.channel.offers_pasids(thread));
    const VcmdResponse stale = rig.v.channel.exchange(thread, allocate());
    CHECK(stale == VcmdResponse{});
  });
  CHECK(rig.v.viommu.virtual_command().stats.ignored == 1);
  CHECK(rig.vm.container.pasids() == 0);
}

TEST_CASE("guest and hypervisor of different layouts do not understand each other", "[vmm]") {
  const bool guest_is_old = GENERATE(false, true);
  VmOptions options;
  options.commands.layout = guest_is_old ? VcmdLayout::old : VcmdLayout::current;
  options.viommu.layout = guest_is_old ? VcmdLayout::current : VcmdLayout::old;
  OneViommu rig(options);
  rig.run([&](Thread& thread) {
    CHECK(!rig.v.channel.offers_pasids(thread));
    // A guest that does not ask takes the zero of another register for a PASID.
    CHECK(rig.vm.alloc() == 0);
  });
  CHECK(rig.vm.container.pasids() == 0);
  CHECK(rig.v.viommu.virtual_command().stats.commands == 0);
}

TEST_CASE("with an error of Linux an id with private data is never given back to the host",
          "[vmm]") {
  VmOptions options;
  options.commands.keep_ids_with_data = true;
  OneViommu rig(options);
  rig.run([&](Thread&) {
    int data = 0;
    const ioasid::Ioasid plain = rig.vm.alloc();
    const ioasid::Ioasid held = rig.vm.space.alloc(nullptr, {1, 0xfffff}, &data);
    rig.vm.space.free(plain);
    rig.vm.space.free(held);
  });
  CHECK(rig.vm.space.size() == 0);
  CHECK(rig.vm.backend.stats.kept == 1);
  CHECK(rig.vm.container.pasids() == 1);  // leaked until the machine goes
}

TEST_CASE("with another one a different PASID is freed", "[vmm]") {
  VmOptions options;
  options.commands.truncate_freed_ids = true;
  options.vfio.quota = 0x11000;
  OneViommu rig(options);
  bool victim_lives = true;
  rig.run([&](Thread& thread) {
    auto& container = rig.vm.container;
    ioasid::Ioasid id = 0;
    while (id < 0x10005) id = container.alloc_pasid(thread, {1, 0xfffff}).value().value();
    rig.v.channel.exchange(thread, free_of(Pasid(0x10005)), true);
    victim_lives = static_cast<bool>(rig.host.ids.sets.find(container.set(), 5));
    CHECK(rig.host.ids.sets.find(container.set(), 0x10005));
  });
  CHECK(!victim_lives);
}

TEST_CASE("a command that another thread carries out is polled until it is complete", "[vmm]") {
  ViommuParams asynchronous;
  asynchronous.asynchronous_commands = true;
  VmOptions options = with(asynchronous);
  options.vfio.allocate = 40us;
  OneViommu rig(options);
  Ps took{0};
  rig.run([&](Thread& thread) {
    const Instant since = thread.now();
    CHECK(rig.vm.alloc() == 1);
    took = thread.now() - since;
  });
  // Written at 1.85 us, taken up 3 us later, complete after 40.3 us more; reads begin every 3.7 us from
  // 3.7 us on. The one that begins at 48.1 us is the first to find it.
  CHECK(took == 48100ns + 3700ns);
  CHECK(rig.vm.machine.paths.user_exits == 1 + 13);
  CHECK(rig.v.channel.polls() == 13);
  CHECK(rig.host.engine.now().since_start() < VmRig::booted + 2ms);
}

TEST_CASE("a hypervisor that never answers: the guest panics after 10 s", "[vmm]") {
  ViommuParams hangs;
  hangs.commands_hang = true;
  OneViommu rig(with(hangs));
  rig.run([&](Thread&) {
    rig.vm.alloc();
    FAIL("the guest goes on");
  });
  REQUIRE(rig.vm.machine.panicked());
  const Ps after = rig.vm.machine.panicked()->at.since_start() - VmRig::booted;
  CHECK(after > 10s);
  CHECK(after < 10s + 12us);
  CHECK(rig.vm.machine.panicked()->reason.find("vm0.v0") != std::string::npos);
  CHECK(rig.vm.machine.alive());
  CHECK(!rig.vm.machine.guest_runs());
  CHECK(!rig.v.channel.lock().held());
  CHECK(rig.v.channel.polls() > 2'700'000);
}

TEST_CASE("a vIOMMU that vanishes: its commands are answered until the guest lets go, or it panics",
          "[vmm]") {
  ViommuParams params;
  params.asynchronous_commands = true;
  params.complete_before_eject = GENERATE(false, true);
  VmOptions options = with(params);
  options.vfio.allocate = 100us;
  OneViommu rig(options);
  bool answered = false;
  const Ps when = GENERATE(0ns, 2us, 4us, 50us, 100us, 102us, 103us, 104us, 105us);
  rig.host.job(at(VmRig::booted + when),
               [&](Thread& thread) { rig.v.viommu.vanish(thread, [] {}); });
  rig.run([&](Thread& thread) {
    answered = rig.vm.alloc() != ioasid::invalid_ioasid;
    CHECK(rig.v.viommu.read(thread, viommu_reg::pqh) == viommu_reg::absent);
    rig.v.viommu.end_commands(thread);
    CHECK(rig.v.viommu.read(thread, 0xe10) == viommu_reg::absent);
  });
  CHECK(answered == params.complete_before_eject);
  CHECK(rig.vm.machine.panicked().has_value() == !answered);
  // What the host has given is the guest's, also where it could not read that any more; what it gives for a
  // command that is gone goes back.
  const VirtualCommandStats& commands = rig.v.viommu.virtual_command().stats;
  CHECK(rig.vm.container.pasids() == commands.commands - commands.late);
  CHECK(commands.late <= (answered ? 0 : 1));
}

TEST_CASE("threads of one guest take turns at the registers, and wait with the space's lock",
          "[vmm]") {
  OneViommu rig;
  std::vector<Ps> done;
  for (int i = 0; i < 4; ++i) {
    rig.vm.job(0ns, [&](Thread& thread) {
      rig.vm.alloc();
      done.push_back(thread.now().since_start() - VmRig::booted);
    });
  }
  rig.host.engine.run();
  REQUIRE(done.size() == 4);
  for (int i = 0; i < 4; ++i)
    CHECK(done[static_cast<std::size_t>(i)] == 8400ns * (i + 1) + 100ns * i);
  CHECK(rig.vm.pasids.spin_lock().stats.contended == 3);
  CHECK(rig.vm.pasids.spin_lock().stats.longest_wait == 3 * 8500ns);
  CHECK(rig.v.channel.lock().stats.contended == 0);
}
