// vIOMMUs and functions that are plugged and unplugged under a guest's processes.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/software_rig.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

ProcessParams long_work() {
  ProcessParams params;
  params.work.traffic.window = Bytes(16 * 4096);
  params.work.traffic.request = 4_KiB;
  params.work.requests = 16;
  params.rounds = 200;
  params.unmap = 2;
  params.pause = 5us;
  return params;
}

// A guest with two vIOMMUs, a function behind each, and two processes for each function.
struct Plugged {
  explicit Plugged(const GuestParams& params = {},
                   PasidBackend first = PasidBackend::virtual_command,
                   PasidBackend second = PasidBackend::virtual_command)
      : guest(rig.add_guest(params)) {
    Guest::Unit& v0 = guest.add_unit("v0", {}, first);
    Guest::Unit& v1 = guest.add_unit("v1", {}, second);
    for (Guest::Unit* const unit : {&v0, &v1}) {
      FunctionDriver& driver = rig.assign(guest, *unit, rig.add_device(4));
      groups.push_back(&rig.group(guest, long_work(), {&driver}));
      for (int i = 0; i < 2; ++i) rig.process(*groups.back());
    }
    guest.boot([this](Thread&) {
      for (std::size_t i = 0; i < 4; ++i) rig.processes[i].start();
    });
  }
  void start_again(Ps when, std::size_t group) {
    Process& process = rig.process(*groups[group]);
    rig.at(when, [&](Thread&) { process.start(); });
  }
  void check_empty() {
    for (const Process& process : rig.processes) CHECK(process.finished());
    CHECK(guest.frames.taken() == 0);
    CHECK(guest.container().bindings() == 0);
    for (const AtsDevice& device : rig.devices) {
      CHECK(device.requests_in_flight() == 0);
      CHECK(device.tlb().size() == 0);
    }
  }

  SoftwareRig rig;
  Guest& guest;
  std::vector<ProcessGroup*> groups;
};

}  // namespace

TEST_CASE("the head of a shared group leaves in order: the other serves on", "[hotplug]") {
  Plugged p;
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::orderly); });
  p.start_again(3ms, 0);
  p.start_again(3ms, 1);
  p.rig.run();
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK(p.guest.hotplug.orphans == 0);
  CHECK(p.groups[0]->stats.work_failed > 0);  // was stopped in the middle
  CHECK(p.groups[0]->stats.enodev >= 1);      // the one that came later
  CHECK(p.groups[1]->stats.work_failed == 0);
  CHECK(p.groups[1]->stats.failed == 0);
  CHECK(p.groups[1]->stats.rounds == 600);
  CHECK(p.guest.container().stats.allocated == 5);  // without the one that was refused
  CHECK(p.guest.container().stats.freed == 5);
  CHECK(p.guest.container().pasids() == 0);
  p.check_empty();
}

TEST_CASE("the head leaves by surprise: what was bound behind it is unbound", "[hotplug]") {
  Plugged p;
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::surprise); });
  p.start_again(3ms, 1);
  p.rig.run();
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK(p.guest.hotplug.orphans == 0);  // the group lives on
  CHECK(p.groups[1]->stats.work_failed == 0);
  CHECK(p.groups[1]->stats.rounds == 600);
  CHECK(p.guest.container().pasids() == 0);
  p.check_empty();
}

TEST_CASE("the head vanishes at any instant: no process waits for it, none is lost", "[hotplug]") {
  const int step = GENERATE(range(0, 60));
  Plugged p;
  bool happened = false;
  p.rig.at(4us + 7us * step,
           [&](Thread&) { happened = p.guest.unplug_unit("v0", Unplug::surprise).empty(); });
  p.rig.run();
  CHECK(!p.guest.machine.panicked());
  CHECK(p.guest.hotplug.unplugged == (happened ? 1 : 0));
  CHECK(p.guest.hotplug.orphans == 0);
  CHECK(p.groups[1]->stats.rounds == 400);
  CHECK(p.guest.container().pasids() == 0);
  p.check_empty();
}

TEST_CASE("a vIOMMU that is plugged in while its kernel lets go of the last one comes after it",
          "[hotplug]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  const Ps again = GENERATE(0us, 1us, 10us, 60us, 150us);
  Plugged p;
  p.rig.at(1ms, [&](Thread&) { CHECK(p.guest.unplug_unit("v0", how).empty()); });
  p.rig.at(1ms + again, [&](Thread&) { CHECK(p.guest.plug_unit("v0").empty()); });
  p.start_again(4ms, 0);
  p.rig.run();
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK(p.guest.hotplug.plugged == 1);
  CHECK(p.guest.hotplug.refused == 0);
  CHECK(p.rig.processes.back().finished());
  CHECK(p.groups[0]->stats.rounds >= 200);
  p.check_empty();
}

TEST_CASE("a vIOMMU that vanishes while it is being removed goes once, and comes back once",
          "[hotplug]") {
  const Ps vanishes = 3us * GENERATE(range(0, 30));
  Plugged p;
  std::string_view second;
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::orderly); });
  p.rig.at(1ms + vanishes, [&](Thread&) { second = p.guest.unplug_unit("v0", Unplug::surprise); });
  p.rig.at(1ms + vanishes + 1us, [&](Thread&) { p.guest.plug_unit("v0"); });
  p.start_again(4ms, 0);
  p.rig.run();
  CHECK((second.empty() || second == "it is not there"));
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK(p.guest.hotplug.plugged == 1);
  CHECK(p.guest.hotplug.refused == 0);
  CHECK(p.rig.processes.back().finished());
  CHECK(p.groups[0]->stats.enodev <= 2);  // of those that were there before
  p.check_empty();
}

// A process that asks for a PASID holds the lock that registering an allocator waits for.
TEST_CASE("a vIOMMU that vanishes while it is taken up is let go of afterwards", "[hotplug]") {
  const Ps vanishes = 10us * GENERATE(range(0, 40));
  GuestParams params;
  params.kernel.pasids.operation = 300us;
  Plugged p(params);
  p.rig.at(10ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::surprise); });
  p.start_again(20ms, 1);
  p.rig.at(20ms, [&](Thread&) { p.guest.plug_unit("v0"); });
  p.rig.at(20ms + vanishes, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::surprise); });
  p.rig.at(20ms + vanishes + 5us, [&](Thread&) { p.guest.plug_unit("v0"); });
  p.rig.run();
  for (const Guest::Unit& unit : p.guest.units) CHECK(unit.registered == unit.viommu.present());
  p.check_empty();
}

TEST_CASE("what is not there is not unplugged, what is there is not plugged in", "[hotplug]") {
  Plugged p;
  p.rig.at(1us, [&](Thread&) {
    CHECK(p.guest.unplug_unit("v0", Unplug::orderly) == "its guest has not booted");
  });
  p.rig.at(1ms, [&](Thread&) {
    CHECK(p.guest.plug_unit("v0") == "it is there");
    CHECK(p.guest.plug_function(0) == "it is there");
    CHECK(p.guest.unplug_unit("v0", Unplug::orderly).empty());
    CHECK(p.guest.unplug_unit("v0", Unplug::orderly) == "it is leaving");
  });
  p.rig.at(5ms, [&](Thread&) {
    CHECK(p.guest.unplug_unit("v0", Unplug::surprise) == "it is not there");
    p.guest.kill();
    CHECK(p.guest.plug_unit("v0") == "its guest does not run any more");
    CHECK(p.guest.unplug_function(0, Unplug::orderly) == "its guest does not run any more");
  });
  p.rig.run();
}

TEST_CASE("the only serving vIOMMU leaves by surprise: its PASIDs are orphans, and stay charged",
          "[hotplug]") {
  GuestParams params;
  Plugged p(params, PasidBackend::virtual_command, PasidBackend::none);
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::surprise); });
  p.rig.run();
  CHECK(p.guest.hotplug.orphans == 4);
  CHECK(p.guest.container().pasids() == 4);
  CHECK(p.guest.kernel.pasids.space().size() == 0);
  p.check_empty();
}

TEST_CASE("the only serving vIOMMU waits for processes to end, or leaves orphans", "[hotplug]") {
  const bool waits = GENERATE(true, false);
  GuestParams params;
  params.hotplug.wait_for_processes = waits ? 1s : Ps(0);
  Plugged p(params, PasidBackend::virtual_command, PasidBackend::none);
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::orderly); });
  p.rig.run();
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK((p.guest.hotplug.orphans == 0) == waits);
  CHECK((p.guest.container().pasids() == 0) == waits);
  p.check_empty();
}

TEST_CASE("where orphans are refused the vIOMMU stays, and its functions are used again",
          "[hotplug]") {
  GuestParams params;
  params.hotplug.wait_for_processes = Ps(0);
  params.allocator.refuse_unregister_with_live_ids = true;
  Plugged p(params, PasidBackend::virtual_command, PasidBackend::none);
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::orderly); });
  p.start_again(3ms, 0);
  p.rig.run();
  CHECK(p.guest.hotplug.not_unplugged == 1);
  CHECK(p.guest.hotplug.unplugged == 0);
  CHECK(p.groups[0]->stats.enodev == 2);  // those whose work was stopped
  CHECK(p.groups[0]->stats.failed == 2);
  CHECK(p.groups[0]->stats.rounds > 200);
  CHECK(p.guest.container().pasids() == 0);
  p.check_empty();
}

TEST_CASE("of two spaces the standby takes over, when the first one's is empty", "[hotplug]") {
  GuestParams params;
  params.pasids = PasidScope::guest_wide;
  Plugged p(params, PasidBackend::guest_local, PasidBackend::guest_local);
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", Unplug::orderly); });
  p.rig.run();
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK(p.guest.kernel.pasids.space().custom_active());
  p.check_empty();
}

TEST_CASE("a standby leaves at once: it has no numbers that somebody would have to give back",
          "[hotplug]") {
  GuestParams params;
  params.pasids = PasidScope::guest_wide;
  params.hotplug.wait_for_processes = 1s;
  Plugged p(params, PasidBackend::guest_local, PasidBackend::guest_local);
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v1", Unplug::orderly); });
  p.rig.at(1200us, [&](Thread&) {
    CHECK(p.guest.hotplug.unplugged == 1);
    CHECK(p.guest.kernel.pasids.space().custom_active());
    CHECK(p.guest.kernel.pasids.space().size() > 0);
  });
  p.rig.run();
  CHECK(p.guest.hotplug.orphans == 0);
  CHECK(p.groups[0]->stats.rounds == 400);
  p.check_empty();
}

TEST_CASE("a vIOMMU that comes back is registered, and its functions are used again", "[hotplug]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  Plugged p;
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_unit("v0", how); });
  p.rig.at(2ms, [&](Thread&) { p.guest.plug_unit("v0"); });
  p.start_again(4ms, 0);
  p.rig.run();
  CHECK(p.guest.hotplug.plugged == 1);
  CHECK(p.guest.hotplug.refused == 0);
  CHECK(p.guest.unit_named("v0").registered);
  CHECK(p.groups[0]->stats.failed <= 2);
  CHECK(p.groups[0]->stats.rounds >= 200);
  CHECK(p.groups[1]->stats.rounds == 400);
  p.check_empty();
}

TEST_CASE("a function goes and comes back, processes of the other one do not notice", "[hotplug]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  Plugged p;
  p.rig.at(1ms, [&](Thread&) { p.guest.unplug_function(0, how); });
  p.rig.at(2ms, [&](Thread&) { p.guest.plug_function(0); });
  p.start_again(4ms, 0);
  p.rig.run();
  CHECK(p.guest.hotplug.unplugged == 1);
  CHECK(p.guest.hotplug.plugged == 1);
  CHECK(p.guest.hotplug.refused == 0);
  CHECK(p.groups[0]->stats.rounds >= 200);
  CHECK(p.groups[1]->stats.rounds == 400);
  CHECK(p.groups[1]->stats.work_failed == 0);
  CHECK(p.guest.container().pasids() == 0);
  p.check_empty();
}

TEST_CASE("a function that is plugged in while its vIOMMU leaves is taken up with the next one",
          "[hotplug]") {
  for (std::int64_t step = 0; step < 40; ++step) {
    SoftwareRig rig;
    Guest& guest = rig.add_guest();
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::virtual_command);
    std::vector<ProcessGroup*> groups;
    for (int i = 0; i < 2; ++i) {
      FunctionDriver& driver = rig.assign(guest, unit, rig.add_device(4));
      groups.push_back(&rig.group(guest, long_work(), {&driver}));
    }
    guest.boot([](Thread&) {});
    const auto start = [&](Ps when, std::size_t group) {
      Process& process = rig.process(*groups[group]);
      rig.at(when, [&process](Thread&) { process.start(); });
    };
    start(300us, 1);
    for (std::int64_t i = 0; i < 20; ++i) start(1ms + 5us * i, 0);
    rig.at(500us, [&](Thread&) { guest.unplug_function(0, Unplug::orderly); });
    rig.at(1ms, [&](Thread&) { guest.unplug_unit("v0", Unplug::orderly); });
    rig.at(1ms + 2us * step, [&](Thread&) { guest.plug_function(0); });
    rig.at(3ms, [&](Thread&) { guest.plug_unit("v0"); });
    start(5ms, 0);
    rig.run();
    INFO("plugged in " << step * 2 << " us after the vIOMMU was asked to leave");
    CHECK(guest.hotplug.orphans == 0);
    CHECK(guest.hotplug.refused == 0);
    CHECK(groups[0]->stats.finished == 21);
    CHECK(groups[0]->stats.rounds >= 200);
    CHECK(guest.frames.taken() == 0);
    CHECK(guest.container().bindings() == 0);
  }
}

TEST_CASE("a vIOMMU that comes leaves a function behind it alone that its kernel lets go of",
          "[hotplug]") {
  for (std::int64_t step = 0; step < 40; ++step) {
    SoftwareRig rig;
    Guest& guest = rig.add_guest();
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::virtual_command);
    FunctionDriver& driver = rig.assign(guest, unit, rig.add_device(4));
    ProcessGroup& group = rig.group(guest, long_work(), {&driver});
    Process& process = rig.process(group);
    guest.boot([](Thread&) {});
    rig.at(1ms, [&](Thread&) {
      guest.unplug_unit("v0", Unplug::orderly);
      guest.unplug_function(0, Unplug::orderly);
    });
    rig.at(1ms + 2us * step, [&](Thread&) { guest.plug_unit("v0"); });
    rig.at(5ms, [&](Thread&) { CHECK(guest.plug_function(0).empty()); });
    rig.at(6ms, [&](Thread&) { process.start(); });
    rig.run();
    INFO("the vIOMMU was plugged in " << step * 2 << " us after both were asked to leave");
    CHECK(guest.hotplug.unplugged == 2);
    CHECK(guest.hotplug.plugged == 2);
    CHECK(guest.hotplug.refused == 0);
    CHECK(group.stats.rounds == 200);
    CHECK(group.stats.failed == 0);
    CHECK(guest.container().bindings() == 0);
  }
}

TEST_CASE(
    "what a kernel has reserved keeps no vIOMMU from leaving, and is reserved with the next one",
    "[hotplug]") {
  const auto backend = GENERATE(PasidBackend::virtual_command, PasidBackend::guest_local);
  GuestParams params;
  params.pasids =
      backend == PasidBackend::guest_local ? PasidScope::guest_wide : PasidScope::system_wide;
  SoftwareRig rig;
  Guest& guest = rig.add_guest(params);
  for (const char* const name : {"v0", "v1"}) {
    Guest::Assignment assignment;
    assignment.sva.reserved = {Pasid(2)};
    rig.assign(guest, guest.add_unit(name, {}, backend), rig.add_device(4), assignment);
  }
  ProcessGroup& group = rig.group(guest, long_work(), {&guest.driver(1)});
  std::vector<Process*> all;
  for (int i = 0; i < 6; ++i) all.push_back(&rig.process(group));
  guest.boot([&](Thread&) {
    for (std::size_t i = 0; i < 3; ++i) all[i]->start();
  });
  rig.at(100ms, [&](Thread&) { guest.unplug_unit("v0", Unplug::orderly); });
  rig.at(102ms, [&](Thread&) { CHECK(guest.hotplug.unplugged == 1); });
  rig.at(110ms, [&](Thread&) {
    for (std::size_t i = 3; i < 6; ++i) all[i]->start();
  });
  rig.run();
  CHECK(guest.hotplug.orphans == 0);
  CHECK(group.stats.failed == 0);
  CHECK(group.stats.finished == 6);
  CHECK(guest.kernel.pasids.space().size() == guest.kernel.sva.reserved_held());
}

TEST_CASE("a vIOMMU that can do less than those that run is refused", "[hotplug]") {
  const IommuAbilities running;
  IommuAbilities added = running;
  CHECK(may_hot_add(running, added) == Errno::ok);
  SECTION("address width") { added.address_width = 39; }
  SECTION("PASID bits") { added.pasid_bits = 19; }
  SECTION("domains") { added.domain_bits = 8; }
  SECTION("table widths") { added.address_widths = 2; }
  SECTION("address masks") { added.max_address_mask = 9; }
  CHECK(may_hot_add(running, added) == (added == running ? Errno::ok : Errno::efault));
}

TEST_CASE("one without pass-through, or without pages that are in use, is no device", "[hotplug]") {
  const IommuAbilities running;
  IommuAbilities added = running;
  added.pass_through = false;
  CHECK(may_hot_add(running, added) == Errno::enxio);
  added = running;
  added.large_pages = 1;
  CHECK(may_hot_add(running, added) == Errno::enxio);
}
