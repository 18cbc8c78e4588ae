// Processes that work with devices, on a host and in guests, over the whole of hardware and software.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/process.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/software_rig.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

ProcessParams small_work() {
  ProcessParams params;
  params.work.traffic.pattern = Pattern::sequential;
  params.work.traffic.window = Bytes(16 * 4096);
  params.work.traffic.request = 4_KiB;
  params.work.requests = 16;
  params.rounds = 3;
  params.unmap = 4;
  return params;
}

}  // namespace

TEST_CASE("a process on the host binds, works, unmaps, and leaves nothing", "[process]") {
  SoftwareRig rig;
  AtsDevice& device = rig.add_device();
  FunctionDriver& driver = rig.host_driver(device);
  ProcessGroup& group = rig.host_group(small_work(), {&driver});
  Process& process = rig.process(group);
  rig.at(10us, [&](Thread&) { process.start(); });
  rig.run();
  CHECK(process.finished());
  CHECK(group.stats.rounds == 3);
  CHECK(group.stats.work_failed == 0);
  CHECK(group.stats.failed == 0);
  CHECK(driver.stats.completed == 3);
  CHECK(device.stats.requests == 48);
  CHECK(process.mm().stats.faults == 16 + 4 + 4);
  CHECK(process.mm().resident() == 0);
  CHECK(rig.host.frames.taken() == 0);
  CHECK(rig.host.kernel.pasids.space().size() == 0);
  CHECK(rig.host.kernel.sva.bonds() == 0);
  CHECK(driver.uses() == 0);
}

TEST_CASE("work is of the life of its PASID in which the kernel sent it", "[process][trace]") {
  struct Begun final : TraceObserver {
    void observe(const TraceEvent& event) override {
      if (static_cast<EventKind>(event.kind) == EventKind::work_begun)
        epochs.push_back(event.epoch);
    }
    bool wants_requests() const override { return false; }
    std::vector<std::uint32_t> epochs;
  } begun;
  const bool shared = GENERATE(false, true);
  SoftwareRig rig;
  rig.link.latency = 1ms;
  rig.rig.tracer().start(begun);
  AtsDevice& device = rig.add_device();
  SharedQueue* const portal = shared ? &rig.add_shared_queue(device) : nullptr;
  FunctionDriver& driver = rig.host_driver(device, portal);
  ProcessParams params = small_work();
  params.rounds = 1;
  params.unmap = 0;
  ProcessGroup& group = rig.host_group(params, {&driver});
  Process& process = rig.process(group);
  rig.at(10us, [&](Thread&) { process.start(); });
  // The order is on its way. Somebody gives the number back, and out again.
  rig.at(500us, [&](Thread&) {
    PasidSpace& pasids = rig.host.kernel.pasids;
    REQUIRE(begun.epochs.empty());
    REQUIRE(pasids.lives().of(Pasid(1)) == 1);
    pasids.free(1);
    REQUIRE(pasids.alloc(&rig, {1, 1}, nullptr) == 1);
    CHECK(pasids.lives().of(Pasid(1)) == 2);
  });
  rig.run();
  CHECK(begun.epochs == std::vector<std::uint32_t>{1});
}

TEST_CASE("a process may be killed at any instant, and leaves nothing", "[process]") {
  const bool shared = GENERATE(false, true);
  bool while_at_work = false;
  for (std::int64_t step = 0; step < 120; ++step) {
    SoftwareRig rig;
    AtsDevice& device = rig.add_device();
    SharedQueue* const portal = shared ? &rig.add_shared_queue(device) : nullptr;
    FunctionDriver& driver = rig.host_driver(device, portal);
    ProcessParams params = small_work();
    params.pause = 10us;
    params.rebind = true;
    ProcessGroup& group = rig.host_group(params, {&driver});
    Process& dies = rig.process(group);
    Process& lives = rig.process(group);
    rig.at(10us, [&](Thread&) {
      dies.start();
      lives.start();
    });
    const Ps when = 9us + step * 3'700ns;
    bool killed = false;
    rig.at(when, [&](Thread&) {
      while_at_work = while_at_work || device.requests_in_flight() > 0;
      killed = dies.kill();
      CHECK(!dies.kill());
    });
    rig.run();
    INFO("killed at " << when.count() << " ps");
    CHECK(killed == (when > 10us && group.stats.killed == 1));
    CHECK(dies.finished());
    CHECK(lives.finished());
    CHECK(group.stats.finished == 2);
    CHECK(group.stats.work_failed == 0);
    CHECK(group.stats.rounds >= 3);
    CHECK(driver.uses() == 0);
    CHECK(device.requests_in_flight() == 0);
    CHECK(device.tlb().size() == 0);
    CHECK(rig.host.frames.taken() == 0);
    CHECK(rig.host.kernel.pasids.space().size() == 0);
    CHECK(rig.host.kernel.sva.bonds() == 0);
    CHECK(rig.unit.kernel.requests.pending() == 0);
  }
  CHECK(while_at_work);
}

// A descriptor that is on its way arrives before the stop of its PASID; and who removes a function tells those who
// wait for it, if it vanishes meanwhile.
TEST_CASE("a function may go at any instant while a process submits, orderly or not", "[process]") {
  const bool shared = GENERATE(false, true);
  const bool vanishes = GENERATE(false, true);
  std::uint64_t failed = 0;
  for (std::int64_t step = 0; step < 300; ++step) {
    SoftwareRig rig;
    AtsDevice& device = rig.add_device();
    SharedQueue* const portal = shared ? &rig.add_shared_queue(device) : nullptr;
    FunctionDriver& driver = rig.host_driver(device, portal);
    ProcessParams params = small_work();
    params.populate = true;
    params.unmap = 0;
    ProcessGroup& group = rig.host_group(params, {&driver});
    Process& process = rig.process(group);
    rig.at(10us, [&](Thread&) { process.start(); });
    const Ps when = 35us + step * 17ns;
    rig.at(when, [&](Thread&) { rig.host.unplug(driver, Unplug::orderly); });
    if (vanishes) rig.at(when + 60ns, [&](Thread&) { rig.host.unplug(driver, Unplug::surprise); });
    rig.run();
    INFO("goes at " << when.count() << " ps");
    REQUIRE(process.finished());
    failed += group.stats.work_failed;
    if (!vanishes) CHECK(rig.unit.hardware.iommu().stats.faults == 0);
    CHECK(driver.uses() == 0);
    CHECK(rig.host.frames.taken() == 0);
    CHECK(rig.host.kernel.pasids.space().size() == 0);
    CHECK(rig.host.kernel.sva.bonds() == 0);
    if (portal != nullptr)
      CHECK(portal->submissions() + portal->waiting() + portal->at_work() == 0);
  }
  CHECK(failed > 0);
}

TEST_CASE("a thread's first ENQCMD waits for its PASID to be loaded, later ones find it",
          "[process][guest]") {
  struct Outcome {
    Ps first, second;  // ends of two processes, one after the other
    std::uint64_t loads, exits;
  };
  const bool in_guest = GENERATE(false, true);
  const auto run = [&](Ps load) {
    SoftwareRig rig;
    FunctionDriverParams params;
    params.enqcmd.load_pasid = load;
    GuestParams of_guest;
    of_guest.pasids = PasidScope::guest_wide;
    Guest& guest = rig.add_guest(of_guest);
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::guest_local);
    std::vector<FunctionDriver*> drivers;
    for (int i = 0; i < 2; ++i) {
      Guest::Assignment assignment;
      AtsDevice& device = rig.add_device();
      assignment.shared = &rig.add_shared_queue(device);
      assignment.driver = params;
      drivers.push_back(in_guest ? &rig.assign(guest, unit, device, assignment)
                                 : &rig.host_driver(device, assignment.shared, {}, params));
    }
    ProcessParams work = small_work();
    work.rebind = true;
    ProcessGroup& group =
        in_guest ? rig.group(guest, work, drivers) : rig.host_group(work, drivers);
    guest.boot([](Thread&) {});
    Outcome outcome{};
    const auto live = [&](Ps from, Ps& end) {
      Process& process = rig.process(group);
      rig.at(from, [&process](Thread&) { process.start(); });
      rig.at(from + 20ms, [&group, &end, from](Thread&) { end = group.last_exit - Instant(from); });
    };
    live(1ms, outcome.first);
    live(31ms, outcome.second);
    rig.at(60ms, [&](Thread&) { guest.kill(); });
    rig.run();
    CHECK(group.stats.rounds == 6);
    CHECK(group.stats.failed == 0);
    outcome.loads = drivers[0]->stats.pasid_loads + drivers[1]->stats.pasid_loads;
    outcome.exits = guest.machine.paths.user_exits + guest.machine.paths.kernel_exits;
    return outcome;
  };
  const Outcome free = run(0ns);
  const Outcome costly = run(2us);
  CHECK(free.loads == 2);
  CHECK(costly.loads == 2);
  CHECK(costly.first == free.first + 2us);
  CHECK(costly.second == free.second + 2us);
  CHECK(costly.exits == free.exits);  // no hypervisor hears of it
}

TEST_CASE("deferred unmapping flushes once for the pages of several rounds, which stay reachable",
          "[process]") {
  const std::uint32_t every = GENERATE(1U, 2U, 4U);
  SoftwareRig rig;
  FunctionDriver& driver = rig.host_driver(rig.add_device());
  ProcessParams params = small_work();
  params.rounds = 4;
  params.unmap_every = every;
  ProcessGroup& group = rig.host_group(params, {&driver});
  Process& process = rig.process(group);
  rig.at(10us, [&](Thread&) { process.start(); });
  rig.run();
  CHECK(process.finished());
  CHECK(group.stats.unmaps == 4 / every);
  CHECK(rig.host.kernel.sva.flush_latency.count() == 4 / every);
  REQUIRE(group.exposure.count() == 4);
  // The pages of the first of n rounds wait for the n - 1 that follow.
  const Ps others = static_cast<std::int64_t>(every - 1) * group.round_latency.min();
  CHECK(group.exposure.max() >= others + rig.host.kernel.sva.flush_latency.min());
  if (every == 1) CHECK(group.exposure.max() < group.round_latency.min());
  CHECK(rig.host.frames.taken() == 0);
}

TEST_CASE("what is unmapped together fits into the window", "[process]") {
  ProcessParams params = small_work();
  params.unmap_every = GENERATE(4U, 5U);
  std::vector<Problem> problems;
  params.check(Where(problems, "scenario"));
  CHECK(problems.empty() == (params.unmap_every == 4));
  for (const Problem& problem : problems) CHECK(problem.pointer == "/unmap_every");
}

TEST_CASE("a process in a guest does the same through its vIOMMU", "[process][guest]") {
  SoftwareRig rig;
  AtsDevice& device = rig.add_device();
  GuestParams params;
  params.pasids = GENERATE(PasidScope::system_wide, PasidScope::guest_wide);
  Guest& guest = rig.add_guest(params);
  const bool whole = params.pasids == PasidScope::system_wide;
  Guest::Unit& unit =
      guest.add_unit("v0", {}, whole ? PasidBackend::virtual_command : PasidBackend::guest_local);
  FunctionDriver& driver = rig.assign(guest, unit, device);
  ProcessGroup& group = rig.group(guest, small_work(), {&driver});
  Process& process = rig.process(group);
  guest.boot([&](Thread&) { process.start(); });
  rig.run();
  CHECK(guest.boot_errors().empty());
  REQUIRE(guest.booted());
  CHECK(process.finished());
  CHECK(group.stats.rounds == 3);
  CHECK(group.stats.work_failed == 0);
  CHECK(group.stats.failed == 0);
  CHECK(device.stats.requests == 48);
  CHECK(process.mm().stats.faults == 16 + 4 + 4);
  CHECK(guest.frames.taken() == 0);
  CHECK(guest.nothing_left());
  CHECK(rig.host.kernel.pasids.space().size() == 0);
}
