// Slices of functions in guests: ENQCMD with translated PASIDs, queues of one's own, default PASIDs; guests
// that die while others use the same function.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest.hpp"
#include "models/guest/slices.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/checked_run.hpp"
#include "tests/support/one_response.hpp"
#include "tests/support/software_rig.hpp"

#include <optional>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

ProcessParams life() {
  ProcessParams params;
  params.work.traffic.window = 64_KiB;
  params.work.traffic.request = 4_KiB;
  params.work.requests = 24;
  params.work.outstanding = 4;
  params.rounds = 3;
  params.unmap = 2;
  return params;
}

enum class Kind { vfio_system_wide, vfio_guest_wide, iommufd };

Kind any_kind() { return GENERATE(Kind::vfio_system_wide, Kind::vfio_guest_wide, Kind::iommufd); }

// A function with a shared queue, one with dedicated queues; the host's processes and guests use both.
struct Mediated {
  Mediated()
      : portal(&rig.add_shared_queue(rig.add_device(2))),
        drivers{&rig.host_driver(rig.devices[0], portal),
                &rig.host_driver(rig.add_device(8), nullptr, QueueSlice{6, 2})} {
    native = &rig.host_group(life(), drivers);
    rig.at(50us, [this](Thread&) { rig.process(*native).start(); });
  }
  // `own_numbers`: a system-wide guest's kernel takes PASIDs by itself, from this one on.
  Guest& add_guest(Kind kind, std::uint32_t processes = 3, std::uint32_t quota = 1000,
                   std::uint32_t own_numbers = 0) {
    GuestParams params;
    params.memory = 64_MiB;
    params.vfio.quota = quota;
    params.host_interface = kind == Kind::iommufd ? HostInterface::iommufd : HostInterface::vfio;
    const bool whole = kind == Kind::vfio_system_wide;
    params.pasids = whole ? PasidScope::system_wide : PasidScope::guest_wide;
    if (own_numbers > 0) params.kernel.sva.min_pasid = own_numbers;
    Guest& guest = rig.add_guest(params);
    Guest::Unit& unit = guest.add_unit("v0", {},
                                       own_numbers > 0 ? PasidBackend::none
                                       : whole         ? PasidBackend::virtual_command
                                                       : PasidBackend::guest_local);
    std::vector<FunctionDriver*> its;
    for (std::size_t i = 0; i < 2; ++i) {
      Guest::Assignment assignment;
      assignment.parent = drivers[i];
      assignment.shared = i == 0 ? portal : nullptr;
      assignment.slice = {static_cast<std::uint32_t>(2 * (rig.guests.size() - 1)), 2};
      its.push_back(&rig.assign(guest, unit, rig.devices[i], assignment));
    }
    ProcessGroup& group = rig.group(guest, life(), its);
    for (std::uint32_t i = 0; i < processes; ++i) of_guests.push_back(&rig.process(group));
    const std::size_t first = of_guests.size() - processes;
    rig.at(20us, [this, &guest, first, processes](Thread&) {
      guest.boot([this, first, processes](Thread&) {
        for (std::size_t i = first; i < first + processes; ++i) of_guests[i]->start();
      });
    });
    return guest;
  }
  const ProcessGroup& group_of(std::size_t guest) const { return rig.groups[guest + 1]; }
  static void check_sound(const ProcessGroup& group, std::uint64_t processes) {
    CHECK(group.stats.finished == processes);
    CHECK(group.stats.work_failed == 0);
    CHECK(group.stats.failed == 0);
  }
  void check_nothing_left(std::uint64_t resets = 0) {
    std::uint64_t reset = 0;
    CHECK(rig.host.kernel.pasids.space().size() == 0);
    CHECK(rig.host.global_pasids.size() == 0);
    CHECK(rig.unit.kernel.requests.pending() == 0);
    CHECK(rig.unit.kernel.faults.incomplete() == 0);
    CHECK(portal->submissions() == 0);
    CHECK(portal->waiting() + portal->at_work() == 0);
    for (const AtsDevice& device : rig.devices) {
      CHECK(device.requests_in_flight() == 0);
      CHECK(device.page_requests_outstanding() == 0);
      CHECK(device.tlb().size() == 0);
      reset += device.queue_stats().resets;
      for (std::uint32_t pasid = 1; pasid < 64; ++pasid)
        CHECK(!rig.unit.kernel.driver.present(device.source(), Pasid(pasid)));
    }
    CHECK(reset == resets);
  }

  SoftwareRig rig;
  SharedQueue* portal;
  std::vector<FunctionDriver*> drivers;
  ProcessGroup* native = nullptr;
  std::vector<Process*> of_guests;
};

}  // namespace

TEST_CASE("the host and guests of all kinds share functions by slices", "[mediated]") {
  Mediated all;
  std::vector<Guest*> guests;
  for (const Kind kind : {Kind::vfio_system_wide, Kind::vfio_guest_wide, Kind::iommufd})
    guests.push_back(&all.add_guest(kind));
  all.rig.at(50ms, [&](Thread&) {
    for (Guest* const guest : guests) guest->kill();
  });
  all.rig.run();
  Mediated::check_sound(*all.native, 1);
  for (std::size_t i = 0; i < guests.size(); ++i) {
    INFO("guest " << i);
    Mediated::check_sound(all.group_of(i), 3);
    CHECK(guests[i]->boot_errors().empty());
    const PasidTranslationStats& translation = guests[i]->residence().pasid_translation()->stats;
    CHECK(translation.filled == 3);
    CHECK(translation.cleared == 3);
    CHECK(translation.enqcmd_exits == 0);
    CHECK(guests[i]->nothing_left());
  }
  // Each slice has a default number, besides those of processes.
  CHECK(guests[0]->container().stats.allocated == 3 + 2);
  CHECK(all.portal->stats().done == 3 * (1 + 3 * 3));
  all.check_nothing_left();
}

TEST_CASE("a guest with slices may be killed at any instant, who shares them does not notice",
          "[mediated]") {
  const Kind kind = any_kind();
  for (std::int64_t step = 0; step < 60; ++step) {
    Mediated all;
    Guest& dies = all.add_guest(kind);
    Guest& lives = all.add_guest(Kind::vfio_guest_wide);
    const Ps when = 21us + step * 17'300ns;
    all.rig.at(when, [&](Thread&) { dies.kill(); });
    all.rig.at(50ms, [&](Thread&) { lives.kill(); });
    all.rig.run();
    INFO("killed at " << when.count() << " ps");
    Mediated::check_sound(*all.native, 1);
    Mediated::check_sound(all.group_of(1), 3);
    CHECK(dies.machine.closed());
    CHECK(dies.nothing_left());
    CHECK(lives.nothing_left());
    all.check_nothing_left();
  }
}

TEST_CASE("an ENQCMD whose PASID the host does not know leaves the guest, and fails there",
          "[mediated]") {
  Mediated all;
  Guest& guest = all.add_guest(Kind::vfio_guest_wide, 3, 2);  // for two default numbers
  all.rig.run();
  const ProcessGroup& group = all.group_of(0);
  CHECK(group.stats.finished == 3);
  CHECK(group.stats.failed == 3);
  CHECK(group.stats.enoent == 3);
  CHECK(group.stats.work_failed == 0);
  const PasidTranslationStats& translation = guest.residence().pasid_translation()->stats;
  CHECK(translation.enqcmd_exits == 3);
  CHECK(translation.filled == 0);
  Mediated::check_sound(*all.native, 1);
}

TEST_CASE("a guest sends with no PASID from its slices that it has not bound there", "[mediated]") {
  // Of the host's process, the other guest's default ones, its own, and the other guest's processes.
  const std::uint32_t first = GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U);
  Mediated all;
  all.add_guest(Kind::vfio_guest_wide);
  Guest& guest = all.add_guest(Kind::vfio_system_wide, 3, 1000, first);
  all.rig.at(50ms, [&](Thread&) {
    for (const auto& one : all.rig.guests) one->kill();
  });
  all.rig.run();
  const ProcessGroup& group = all.group_of(1);
  CHECK(group.stats.finished == 3);
  CHECK(group.stats.failed == 3);
  CHECK(group.stats.enoent == 3);
  CHECK(group.stats.work_failed == 0);
  CHECK(guest.units.front().viommu.stats.bound == 0);
  for (std::size_t i = 0; i < guest.functions(); ++i) CHECK(guest.driver(i).stats.submitted == 0);
  Mediated::check_sound(*all.native, 1);
  Mediated::check_sound(all.group_of(0), 3);
  all.check_nothing_left();
}

TEST_CASE("a PASID that is unbound does nothing in the function, whatever its guest has stopped",
          "[mediated]") {
  const Kind kind = any_kind();
  std::size_t at_work = 0;
  for (std::int64_t step = 0; step < 30; ++step) {
    Mediated all;
    Guest& guest = all.add_guest(kind);
    all.rig.at(60us + step * 11'300ns, [&](Thread&) {
      guest.machine.post_to_hypervisor([&](Thread& thread) {
        const Guard guard(guest.machine.emulation(), thread);
        HostFlow& host = guest.hypervisor.host();
        for (const GuestSpace& space : guest.units.front().viommu.bound()) {
          const AtsDevice& device = *guest.residence().function(space.device).device;
          const Pasid wire = host.host_of(space.device, space.pasid).value();
          if (device.pasid_in_use(wire)) ++at_work;
          host.unbind(thread, space.device, space.pasid);
          CHECK_FALSE(device.pasid_in_use(wire));
          CHECK_FALSE(host.bound(space.device, space.pasid));
        }
      });
    });
    all.rig.at(50ms, [&](Thread&) { guest.kill(); });
    all.rig.run();
    INFO("step " << step);
    CHECK(all.group_of(0).stats.finished == 3);
    Mediated::check_sound(*all.native, 1);
    CHECK(guest.nothing_left());
    all.check_nothing_left();
  }
  CHECK(at_work > 0);
}

// All entries and engines are somebody's for a while, so that a vCPU executes ENQCMD again and again.
TEST_CASE("each try of an ENQCMD looks for its PASID, so one that was unbound meanwhile fails",
          "[mediated]") {
  SoftwareRig rig;
  SharedQueue& portal = rig.add_shared_queue(rig.add_device(1), 1);
  FunctionDriver& parent = rig.host_driver(rig.devices[0], &portal);
  GuestParams params;
  params.memory = 64_MiB;
  params.pasids = PasidScope::guest_wide;
  if (GENERATE(false, true)) params.host_interface = HostInterface::iommufd;
  Guest& guest = rig.add_guest(params);
  Guest::Assignment assignment;
  assignment.parent = &parent;
  assignment.shared = &portal;
  assignment.driver.enqcmd.tries = 10'000;
  Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::guest_local);
  FunctionDriver& slice = rig.assign(guest, unit, rig.devices[0], assignment);
  ProcessParams long_life = life();
  long_life.work.interval = 50us;
  ProcessGroup& native = rig.host_group(long_life, {&parent});
  for (int i = 0; i < 2; ++i) {
    Process& process = rig.process(native);
    rig.at(50us, [&process](Thread&) { process.start(); });
  }
  ProcessGroup& group = rig.group(guest, life(), {&slice});
  Process& process = rig.process(group);
  rig.at(20us, [&](Thread&) { guest.boot([](Thread&) {}); });
  rig.at(200us, [&](Thread&) { process.start(); });
  rig.at(600us, [&](Thread&) {
    CHECK(portal.stats().refused > 0);
    guest.machine.post_to_hypervisor([&](Thread& thread) {
      const Guard guard(guest.machine.emulation(), thread);
      const std::vector<GuestSpace> bound = unit.viommu.bound();
      REQUIRE(bound.size() == 1);
      guest.hypervisor.host().unbind(thread, bound[0].device, bound[0].pasid);
    });
  });
  rig.at(50ms, [&](Thread&) { guest.kill(); });
  CheckedRun checked(rig);
  rig.run();
  CHECK(checked.violations() == "");
  CHECK(group.stats.finished == 1);
  CHECK(group.stats.enoent == 1);
  CHECK(slice.stats.submitted == 0);
  CHECK(slice.stats.not_accepted == 0);
  CHECK(guest.nothing_left());
  Mediated::check_sound(native, 2);
}

// Its queue is full, so that the vCPU executes ENQCMD again and again, also while the host stops what there is of its
// PASID, there alone or at another slice afterwards. Meanwhile there is room.
TEST_CASE("nothing that a vCPU submits while its PASID is unbound is left in a function",
          "[mediated]") {
  const bool iommufd = GENERATE(false, true);
  const std::size_t count = GENERATE(1U, 2U);
  std::uint64_t refused = 0;
  for (std::int64_t step = 0; step < 60; ++step) {
    SoftwareRig rig;
    GuestParams params;
    params.memory = 64_MiB;
    params.pasids = PasidScope::guest_wide;
    if (iommufd) params.host_interface = HostInterface::iommufd;
    Guest& guest = rig.add_guest(params);
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::guest_local);
    std::vector<FunctionDriver*> slices;
    std::vector<FunctionDriver*> parents;
    for (std::size_t i = 0; i < count; ++i) {
      Guest::Assignment assignment;
      assignment.shared = &rig.add_shared_queue(rig.add_device(1), 1);
      assignment.parent = parents.emplace_back(&rig.host_driver(rig.devices[i], assignment.shared));
      assignment.driver.enqcmd.tries = 10'000;
      slices.push_back(&rig.assign(guest, unit, rig.devices[i], assignment));
    }
    SharedQueue& portal = *parents[0]->function().shared;
    ProcessParams slow = life();
    slow.work.interval = 50us;
    slow.populate = true;
    ProcessGroup& native = rig.host_group(slow, {parents[0]});
    for (int i = 0; i < 2; ++i) {
      Process& process = rig.process(native);
      rig.at(50us, [&process](Thread&) { process.start(); });
    }
    ProcessGroup& group = rig.group(guest, slow, slices);
    Process& process = rig.process(group);
    Pasid wire;
    rig.at(20us, [&](Thread&) { guest.boot([](Thread&) {}); });
    rig.at(200us, [&](Thread&) { process.start(); });
    rig.at(400us, [&](Thread&) {
      guest.machine.post_to_hypervisor([&](Thread& thread) {
        const Guard guard(guest.machine.emulation(), thread);
        HostFlow& host = guest.hypervisor.host();
        const std::vector<GuestSpace> bound = unit.viommu.bound();
        REQUIRE(bound.size() == count);
        REQUIRE(portal.stats().refused > 0);
        wire = host.host_of(bound[0].device, bound[0].pasid).value();
        for (const GuestSpace& space : bound) host.unbind(thread, space.device, space.pasid);
        for (int look = 0; look < 20; ++look) {
          CHECK_FALSE(rig.devices[0].pasid_in_use(wire));
          thread.sleep(1us);
        }
      });
    });
    rig.at(404us + step * 200ns, [&](Thread&) {
      for (Pasid other(1); other < Pasid(10); other = Pasid(other.value() + 1))
        if (other != wire) portal.stop_pasid(other, false);
    });
    rig.at(5ms, [&](Thread&) { guest.kill(); });
    CheckedRun checked(rig);
    rig.run();
    CHECK(checked.violations() == "");
    refused += group.stats.enoent;
    CHECK(guest.nothing_left());
  }
  CHECK(refused > 0);
}

TEST_CASE("a slice's register is not written with a PASID that was unbound on the way",
          "[mediated]") {
  const bool iommufd = GENERATE(false, true);
  std::uint64_t refused = 0;
  for (std::int64_t step = 0; step < 150; ++step) {
    SoftwareRig rig;
    GuestParams params;
    params.memory = 64_MiB;
    params.pasids = PasidScope::guest_wide;
    if (iommufd) params.host_interface = HostInterface::iommufd;
    Guest& guest = rig.add_guest(params);
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::guest_local);
    Guest::Assignment assignment;
    AtsDevice& device = rig.add_device(2);
    assignment.slice = QueueSlice{0, 1};
    assignment.parent = &rig.host_driver(device, nullptr, QueueSlice{1, 1});
    assignment.driver.register_write = 2us;
    FunctionDriver& slice = rig.assign(guest, unit, device, assignment);
    ProcessParams slow = life();
    slow.work.interval = 50us;
    slow.populate = true;
    ProcessGroup& group = rig.group(guest, slow, {&slice});
    Process& process = rig.process(group);
    rig.at(20us, [&](Thread&) { guest.boot([](Thread&) {}); });
    rig.at(200us, [&](Thread&) { process.start(); });
    rig.at(220us + step * 200ns, [&](Thread&) {
      guest.machine.post_to_hypervisor([&](Thread& thread) {
        HostFlow& host = guest.hypervisor.host();
        const std::vector<GuestSpace> bound = unit.viommu.bound();
        if (bound.empty()) return;
        const Pasid wire = host.host_of(bound[0].device, bound[0].pasid).value();
        host.unbind(thread, bound[0].device, bound[0].pasid);
        for (int look = 0; look < 100; ++look) {
          CHECK_FALSE(device.pasid_in_use(wire));
          thread.sleep(100ns);
        }
      });
    });
    rig.at(5ms, [&](Thread&) { guest.kill(); });
    CheckedRun checked(rig);
    rig.run();
    CHECK(checked.violations() == "");
    refused += group.stats.enoent;
    CHECK(guest.nothing_left());
  }
  CHECK(refused > 0);
}

TEST_CASE("a slice goes in order and comes back, the function stays", "[mediated]") {
  const Kind kind = any_kind();
  const std::size_t which = GENERATE(0U, 1U);
  Mediated all;
  Guest& guest = all.add_guest(kind);
  Guest& other = all.add_guest(Kind::vfio_guest_wide);
  ProcessGroup& late = all.rig.group(guest, life(), {&guest.driver(which)});
  Process& second = all.rig.process(late);
  all.rig.at(400us, [&](Thread&) { guest.unplug_function(which, Unplug::orderly); });
  all.rig.at(401us, [&](Thread&) { guest.unplug_function(which, Unplug::orderly); });
  all.rig.at(10ms, [&](Thread&) { guest.plug_function(which); });
  all.rig.at(10'001us, [&](Thread&) { guest.plug_function(which); });
  all.rig.at(20ms, [&](Thread&) { second.start(); });
  all.rig.at(50ms, [&](Thread&) {
    guest.kill();
    other.kill();
  });
  all.rig.run();
  Mediated::check_sound(*all.native, 1);
  Mediated::check_sound(all.group_of(1), 3);
  Mediated::check_sound(late, 1);
  CHECK(guest.nothing_left());
  all.check_nothing_left();
}

TEST_CASE("a function goes at any instant with the slices of it, and comes back, so do these",
          "[mediated]") {
  const Kind kind = any_kind();
  const std::size_t which = GENERATE(0U, 1U);
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  for (std::int64_t step = 0; step < 16; ++step) {
    const Ps when = 5us + step * 53'300ns;
    INFO("at " << when.count() << " ps");
    Mediated all;
    Guest& guest = all.add_guest(kind);
    Guest& other = all.add_guest(Kind::vfio_guest_wide);
    ProcessGroup& late = all.rig.group(guest, life(), {&guest.driver(0), &guest.driver(1)});
    Process& second = all.rig.process(late);
    FunctionDriver& parent = *all.drivers[which];
    all.rig.at(when, [&](Thread&) {
      const std::vector<SliceOfGuest> slices{{&guest, which}, {&other, which}};
      CHECK(unplug_with_slices(all.rig.host, parent, slices, how).empty());
    });
    // A flush of its TLB that waits when it vanishes times out first, after 10 ms.
    all.rig.at(15ms, [&](Thread&) {
      CHECK(!parent.known());
      CHECK(!guest.residence().attached(which));
      CHECK(!other.residence().attached(which));
      CHECK(all.rig.host.plug(parent).empty());
    });
    all.rig.at(16ms, [&](Thread&) {
      CHECK(guest.plug_function(which).empty());
      CHECK(other.plug_function(which).empty());
    });
    all.rig.at(25ms, [&](Thread&) { second.start(); });
    all.rig.at(50ms, [&](Thread&) {
      guest.kill();
      other.kill();
    });
    all.rig.run();
    Mediated::check_sound(late, 1);
    CHECK(all.native->stats.finished == 1);
    CHECK(all.group_of(0).stats.finished == 3);
    CHECK(all.group_of(1).stats.finished == 3);
    CHECK(guest.nothing_left());
    CHECK(other.nothing_left());
    all.check_nothing_left(1);
  }
}

TEST_CASE("a function goes though a guest with a slice of it dies or has panicked meanwhile",
          "[mediated]") {
  const Kind kind = any_kind();
  const bool panics = GENERATE(false, true);
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  for (std::int64_t step = 0; step < 12; ++step) {
    const Ps when = 295us + step * 5'300ns;
    INFO("at " << when.count() << " ps, kind " << static_cast<int>(kind) << ", panics " << panics
               << ", " << static_cast<int>(how));
    Mediated all;
    Guest& guest = all.add_guest(kind);
    Guest& other = all.add_guest(Kind::vfio_guest_wide);
    all.rig.at(300us, [&](Thread&) {
      unplug_with_slices(all.rig.host, *all.drivers[0], {{&guest, 0}, {&other, 0}}, how);
    });
    if (panics) {
      guest.kernel.workers.post_at(Instant(when),
                                   [&](Thread&) { guest.machine.panic("as asked"); });
    } else {
      all.rig.at(when, [&](Thread&) { guest.kill(); });
    }
    all.rig.at(40ms, [&](Thread&) {
      CHECK(!all.drivers[0]->known());
      guest.kill();
      other.kill();
    });
    all.rig.run();
    CHECK(all.native->stats.finished == 1);
    CHECK(all.group_of(1).stats.finished == 3);
    CHECK(guest.nothing_left());
    CHECK(other.nothing_left());
  }
}

TEST_CASE("a function that a guest does not let go of in time goes by surprise", "[mediated]") {
  const Kind kind = any_kind();
  const std::size_t which = GENERATE(0U, 1U);
  Mediated all;
  // When nobody uses the other function any more.
  OneResponse lost(all.rig, {.fate = Fate::drop}, Instant(10ms));
  Guest& guest = all.add_guest(kind, 0);
  Guest& other = all.add_guest(Kind::vfio_guest_wide, 0);
  ProcessGroup& group = all.rig.group(guest, life(), {&guest.driver(which)});
  Process& process = all.rig.process(group);
  all.rig.at(10ms, [&](Thread&) { process.start(); });
  FunctionDriver& parent = *all.drivers[which];
  const Ps when = 11ms;
  all.rig.at(when, [&](Thread&) {
    unplug_with_slices(all.rig.host, parent, {{&guest, which}, {&other, which}}, Unplug::orderly);
  });
  const Ps limit = all.rig.host.params().slices_limit;
  const auto held = [&] {
    return guest.residence().attached(which) || other.residence().attached(which);
  };
  bool waited = false;
  all.rig.at(when + limit - 1ms, [&](Thread&) { waited = parent.known() && held(); });
  all.rig.at(when + limit + 20ms, [&](Thread&) {
    CHECK(!parent.known());
    CHECK(!held());
    CHECK(guest.hotplug.unplugged == 1);
    CHECK(other.hotplug.unplugged == 1);
    guest.kill();
    other.kill();
  });
  all.rig.run();
  REQUIRE(lost.done);
  CHECK(waited);
  CHECK(group.stats.finished == 1);
  CHECK(guest.nothing_left());
  CHECK(other.nothing_left());
  all.check_nothing_left(1);
}

// Neither its guest, which is dead, nor the host answers: to the host the group is answered. Who shares the
// function goes on meanwhile.
TEST_CASE("a slice whose page response is lost is given back though its guest is killed",
          "[mediated]") {
  const Kind kind = any_kind();
  const std::size_t which = GENERATE(0U, 1U);
  Mediated all;
  OneResponse lost(all.rig, {.fate = Fate::drop}, Instant(10ms));
  Guest& guest = all.add_guest(kind, 0);
  Guest& other = all.add_guest(Kind::vfio_guest_wide, 0);
  ProcessGroup& group = all.rig.group(guest, life(), {&guest.driver(which)});
  ProcessGroup& others = all.rig.group(other, life(), {&other.driver(which)});
  Process& process = all.rig.process(group);
  Process& late = all.rig.process(others);
  all.rig.at(10ms, [&](Thread&) { process.start(); });
  all.rig.at(11ms, [&](Thread&) { guest.kill(); });
  all.rig.at(12ms, [&](Thread&) { late.start(); });
  const Ps limit = FunctionDriverParams().slice_stop_limit;
  bool waited = false;
  all.rig.at(11ms + limit, [&](Thread&) { waited = !guest.nothing_left(); });
  all.rig.at(21ms + limit, [&](Thread&) {
    CHECK(guest.nothing_left());
    other.kill();
  });
  CheckedRun checked(all.rig);
  all.rig.run();
  REQUIRE(lost.done);
  CHECK(checked.violations() == "");
  CHECK(waited);
  CHECK(guest.machine.closed());
  Mediated::check_sound(others, 1);
  CHECK(other.nothing_left());
  all.check_nothing_left();
}

// What the call that its death interrupted has attached is its files' until they are closed.
TEST_CASE("a function stays until the files of a guest are closed that died while it took a slice",
          "[mediated]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  bool interrupted = false;
  for (std::int64_t step = 0; step < 60; ++step) {
    const Ps when = 20us + step * 500ns;
    INFO("at " << when.count() << " ps");
    Mediated all;
    Guest& guest = all.add_guest(Kind::iommufd);
    FunctionDriver& parent = *all.drivers[0];
    all.rig.at(when, [&](Thread&) {
      interrupted = interrupted || guest.residence().attaches(0);
      guest.kill();
    });
    all.rig.at(when + 100ns, [&](Thread& thread) {
      unplug_with_slices(all.rig.host, parent, {{&guest, 0}}, how);
      while (parent.known()) thread.sleep(100ns);
      CHECK(guest.residence().file()->attachments() == 0);
    });
    all.rig.run();
    CHECK(guest.nothing_left());
  }
  CHECK(interrupted);
}

TEST_CASE("a function stays until a guest that lets go of its slice by itself has given it back",
          "[mediated]") {
  const Kind kind = any_kind();
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  bool meanwhile = false;
  for (std::int64_t step = 0; step < 40; ++step) {
    INFO("step " << step);
    Mediated all;
    Guest& guest = all.add_guest(kind, 0);
    FunctionDriver& parent = *all.drivers[1];
    all.rig.at(300us, [&](Thread&) { guest.unplug_function(1, Unplug::orderly); });
    all.rig.at(300us, [&](Thread& thread) {
      while (guest.driver(1).known()) thread.sleep(100ns);
      thread.sleep(step * 1us);
      meanwhile = meanwhile || guest.residence().detaches(1);
      unplug_with_slices(all.rig.host, parent, {{&guest, 1}}, how);
      while (parent.known()) thread.sleep(50ns);
      CHECK(!guest.residence().attached(1));
      CHECK(!guest.residence().detaches(1));
    });
    all.rig.at(50ms, [&](Thread&) { guest.kill(); });
    all.rig.run();
    CHECK(guest.nothing_left());
  }
  CHECK(meanwhile);
}

TEST_CASE("a slice of a function that the host's driver has not got is not attached",
          "[mediated]") {
  Mediated all;
  Guest& guest = all.add_guest(any_kind());
  all.rig.at(10us, [&](Thread& thread) { all.drivers[1]->remove(thread); });
  all.rig.run();
  REQUIRE(guest.boot_errors().size() == 1);
  CHECK(guest.boot_errors()[0].error == Errno::enodev);
}

// Its guest's kernel does not see it, or would bind what nobody unbinds when the function goes.
TEST_CASE("a slice that was not attached at boot is not used when its function has come back",
          "[mediated]") {
  Mediated all;
  Guest& guest = all.add_guest(any_kind());
  FunctionDriver& function = *all.drivers[1];
  all.rig.at(10us, [&](Thread& thread) { function.remove(thread); });
  bool came_back = false;
  all.rig.at(45us, [&](Thread& thread) { came_back = function.probe(thread) == Errno::ok; });
  all.rig.run();
  CHECK(came_back);
  CHECK(guest.boot_errors().size() == 1);
  CHECK(!guest.residence().attached(1));
  CHECK(all.group_of(0).stats.enodev == 3);
  CHECK(all.group_of(0).stats.finished == 3);
  for (std::uint32_t pasid = 1; pasid < 64; ++pasid)
    CHECK(!all.rig.unit.kernel.driver.present(all.rig.devices[1].source(), Pasid(pasid)));
}
