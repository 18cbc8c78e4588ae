// Guests that move to another host while they run: with their PASIDs, their bindings and their work; what
// that takes; and what is left when it fails, when the guest is killed under way, or loses a function.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/migration.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/moving_guest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

// What opening a residence takes: a container, and two functions.
Ps opening_takes(const GuestParams& params) {
  Moving alone(params, {.processes = 0});
  Ps time{0};
  alone.guest.machine.post_to_hypervisor([&](Thread& thread) {
    const Instant since = thread.now();
    Residence& residence = alone.guest.residence();
    residence.open(thread);
    for (std::size_t function = 0; function < 2; ++function) residence.attach(thread, function);
    time = thread.now() - since;
    residence.close(thread);
  });
  alone.rig.run();
  return time;
}

}  // namespace

TEST_CASE("a guest by iommufd moves under load, and its page requests are answered there",
          "[migration][iommufd]") {
  GuestParams params = moving_guest(PasidScope::guest_wide);
  params.host_interface = HostInterface::iommufd;
  Moving moving(params);
  moving.boot();
  moving.migrate_at(1ms);
  moving.rig.at(300ms, [&](Thread&) { moving.guest.kill(); });
  moving.rig.run();
  REQUIRE(!moving.report().failed);
  CHECK(moving.report().rebinds > 0);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  CHECK(moving.group->stats.failed == 0);
  const Iommufd& there = *moving.guest.residence().file();
  CHECK(&moving.guest.host() == &moving.second.host);
  CHECK(there.fault_stats.answered > 0);
  CHECK(there.fault_stats.timed_out == 0);
  CHECK(moving.guest.nothing_left());
  CHECK(moving.rig.host.iommufd.owners.empty());
  CHECK(moving.second.host.iommufd.owners.empty());
}

TEST_CASE("a guest with guest-wide PASIDs goes on with other numbers of its new host",
          "[migration]") {
  const bool shared = GENERATE(false, true);
  Moving moving(moving_guest(PasidScope::guest_wide), {.shared = shared});
  moving.boot();
  // Somebody else has the target's first numbers.
  moving.second.host.kernel.workers.post_at(Instant(1us), [&](Thread&) {
    for (int i = 0; i < 3; ++i)
      moving.second.host.kernel.pasids.space().alloc(nullptr, {1, 9}, nullptr);
  });
  moving.migrate_at(300us);
  std::vector<std::uint32_t> numbers;
  moving.rig.at(1100us, [&](Thread&) {
    REQUIRE(!moving.guest.migrations().empty());
    CHECK(!moving.report().failed);
    for (std::uint32_t pasid = 1; pasid < 64; ++pasid) {
      if (moving.second.unit.kernel.driver.present(moving.second.devices[0].source(), Pasid(pasid)))
        numbers.push_back(pasid);
    }
  });
  moving.rig.run();
  CHECK(moving.report().rebinds == 8);
  CHECK(moving.report().kept_pasids == 0);
  CHECK(moving.report().moved_work > 0);
  CHECK(numbers == std::vector<std::uint32_t>{4, 5, 6, 7});
  CHECK(&moving.guest.host() == &moving.second.host);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  CHECK(moving.group->stats.rounds == 240);
  for (const AtsDevice& device : moving.second.devices) CHECK(device.stats.requests > 0);
  check_moving_host(moving.rig.host, moving.rig.unit, moving.rig.devices);
  CHECK(moving.guest.residences().front()->empty());
}

TEST_CASE("a guest with system-wide PASIDs takes them along", "[migration]") {
  const bool shared = GENERATE(false, true);
  Moving moving(moving_guest(PasidScope::system_wide), {.shared = shared});
  moving.boot();
  moving.migrate_at(300us);
  moving.rig.at(1100us, [&](Thread&) {
    for (std::uint32_t pasid = 1; pasid < 5; ++pasid)
      CHECK(moving.second.unit.kernel.driver.present(moving.second.devices[0].source(),
                                                     Pasid(pasid)));
  });
  moving.rig.at(60ms, [&](Thread&) { moving.guest.kill(); });
  moving.rig.run();
  CHECK(!moving.report().failed);
  CHECK(moving.report().rebinds == 8);
  CHECK(moving.report().kept_pasids == 4);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  CHECK(moving.group->stats.rounds == 240);
  check_both_empty(moving);
}

TEST_CASE("a system-wide PASID that somebody has at the target: nothing has happened",
          "[migration]") {
  Moving moving(moving_guest(PasidScope::system_wide));
  moving.boot();
  moving.second.host.kernel.workers.post_at(Instant(1us), [&](Thread&) {
    REQUIRE(moving.second.host.kernel.pasids.space().alloc(nullptr, {3, 3}, nullptr) == 3);
  });
  moving.migrate_at(300us);
  moving.rig.at(60ms, [&](Thread&) { moving.guest.kill(); });
  moving.rig.run();
  REQUIRE(moving.report().failed);
  CHECK(moving.report().failed->why == MigrationFailure::pasid_taken);
  CHECK(moving.report().failed->pasid == Pasid(3));
  CHECK(&moving.guest.host() == &moving.rig.host);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  CHECK(moving.group->stats.rounds == 240);
  for (const AtsDevice& device : moving.second.devices) CHECK(device.stats.requests == 0);
  CHECK(moving.second.host.kernel.pasids.space().size() == 1);
  moving.second.host.kernel.pasids.space().free(3);
  check_both_empty(moving);
}

TEST_CASE("a guest that has moved can move back", "[migration]") {
  const PasidScope scope = GENERATE(PasidScope::system_wide, PasidScope::guest_wide);
  Moving moving(moving_guest(scope), {.rounds = 300});
  moving.boot();
  moving.migrate_at(300us);
  // Not before the functions that it left have been reset.
  moving.rig.at(110ms,
                [&](Thread&) { moving.guest.migrate(moving.second.back_to_first(moving.guest)); });
  moving.rig.at(300ms, [&](Thread&) { moving.guest.kill(); });
  moving.rig.run();
  REQUIRE(moving.guest.migrations().size() == 2);
  for (const MigrationReport& report : moving.guest.migrations()) CHECK(!report.failed);
  CHECK(&moving.guest.host() == &moving.rig.host);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  check_both_empty(moving);
}

TEST_CASE("what a migration refuses", "[migration]") {
  Moving moving(moving_guest(PasidScope::guest_wide));
  moving.guest.migrate(moving.target);  // has not booted
  moving.boot();
  moving.migrate_at(300us);
  moving.migrate_at(301us);
  moving.rig.at(200us, [&](Thread&) {
    Migration::Target nowhere = moving.target;
    nowhere.there = nowhere.back = nullptr;
    moving.guest.migrate(nowhere);
    moving.guest.migrate(moving.second.back_to_first(moving.guest));
  });
  moving.rig.run();
  std::vector<MigrationFailure> why;
  for (const MigrationReport& report : moving.guest.migrations())
    if (report.failed) why.push_back(report.failed->why);
  CHECK(why == std::vector<MigrationFailure>{
                   MigrationFailure::not_running, MigrationFailure::no_link,
                   MigrationFailure::there_already, MigrationFailure::under_way});
}

TEST_CASE("a target without room: quota, or functions that are somebody's", "[migration]") {
  Moving moving(moving_guest(PasidScope::guest_wide));
  MigrationFailure expected{};
  SECTION("all of its PASIDs are reserved") {
    moving.second.host.kernel.workers.post_at(Instant(1us), [&](Thread&) {
      moving.second.host.ids.sets.alloc_set({ioasid::SetType::mm, &moving, (1U << 20U) - 10});
    });
    expected = MigrationFailure::no_files;
  }
  SECTION("a function is another guest's") {
    moving.second.host.kernel.workers.post_at(Instant(1us), [&](Thread& thread) {
      moving.second.unit.kernel.driver.add(thread, moving.second.devices[1].source(), {});
    });
    expected = MigrationFailure::no_function;
  }
  moving.boot();
  moving.migrate_at(300us);
  moving.rig.run();
  REQUIRE(moving.report().failed);
  CHECK(moving.report().failed->why == expected);
  CHECK(!moving.report().paused);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  CHECK(moving.second.host.kernel.pasids.space().size() == 0);
}

// Everything of it adds up where nobody else is there.
TEST_CASE("the time of a migration is the sum of its parts", "[migration][closed]") {
  GuestParams params = moving_guest(PasidScope::guest_wide);
  params.vcpus = 2;
  params.migration.dirty_rate = Bandwidth(20'000'000'000);
  const Ps opening = opening_takes(params);
  Moving moving(params, {.processes = 0});
  moving.boot();
  moving.migrate_at(300us);
  moving.rig.run();
  const MigrationReport& report = moving.report();
  REQUIRE(!report.failed);
  const NetworkLinkParams network = moving_link();
  const auto wire = [&](std::uint64_t memory) {
    const std::uint64_t bytes = memory + memory / 4096 * 8;
    Ps time{0};
    for (std::uint64_t left = bytes; left > 0; left -= std::min(left, network.chunk.count()))
      time += time_for(Bytes(std::min(left, network.chunk.count())), network.bandwidth);
    return time + network.latency;
  };
  // Rounds: what was written during the one is sent in the next one.
  std::uint64_t left = params.memory.count();
  Ps rounds{0};
  std::uint64_t count = 0;
  for (; count == 0 || left > params.migration.stop_below.count(); ++count) {
    const Ps round = wire(left);
    rounds += round;
    left = bytes_in(round, params.migration.dirty_rate).count() / 4096 * 4096;
  }
  CHECK(report.rounds == count);
  const std::uint64_t states = 2 + 2 + 2;  // vCPUs, vIOMMUs, functions
  const Ps save = params.migration.save * states;
  const std::uint64_t bytes = left + left / 4096 * 8 + states * 4096;
  const Ps last = time_for(Bytes(bytes), network.bandwidth) + network.latency;
  const Ps load = params.migration.load * states;
  const Ps on_the_way = moving.rig.link.latency;
  const Ps downtime = on_the_way + save + last + load;
  INFO(fmt::format("downtime: {} writes to registers + {} save + {} last {} bytes + {} load = {}",
                   to_text(on_the_way), to_text(save), to_text(last), bytes, to_text(load),
                   to_text(downtime)));
  CHECK(report.downtime() == downtime);
  // The target's hypervisor does what the source's did at boot.
  const Ps prepare = report.total() - rounds - downtime - 2 * network.latency;
  INFO(fmt::format("total: {} prepare + {} rounds + {} downtime",
                   to_text(prepare + 2 * network.latency), to_text(rounds), to_text(downtime)));
  CHECK(prepare == opening);
}

TEST_CASE("each bound PASID adds the same to the downtime", "[migration][closed]") {
  const PasidScope scope = GENERATE(PasidScope::system_wide, PasidScope::guest_wide);
  std::vector<Ps> downtimes;
  for (const std::uint32_t processes : {1U, 2U, 3U}) {
    GuestParams params = moving_guest(scope);
    params.memory = 32_MiB;
    Moving moving(params, {.processes = processes, .rounds = 4});
    moving.group->params.pause = 2ms;  // nothing is under way when it is paused
    moving.group->params.unmap = 0;
    moving.group->params.populate = true;
    moving.boot();
    moving.migrate_at(500us);
    moving.rig.run();
    REQUIRE(!moving.report().failed);
    REQUIRE(moving.report().moved_work == 0);
    REQUIRE(moving.report().rebinds == 2 * processes);
    downtimes.push_back(moving.report().downtime());
  }
  CHECK(downtimes[1] - downtimes[0] == downtimes[2] - downtimes[1]);
  // Two binds and one PASID: each call 0.3 us, 4.7 us for a bind, 0.7 us for a PASID; and tables and flushes.
  CHECK(downtimes[1] - downtimes[0] > 2 * (300ns + 4700ns) + 300ns + 700ns);
}

TEST_CASE("memory that is written faster than it is sent is sent while the guest is paused",
          "[migration]") {
  GuestParams params = moving_guest(PasidScope::guest_wide);
  params.migration.dirty_rate = Bandwidth(400'000'000'000);
  params.migration.rounds = 5;
  Moving moving(params, {.processes = 0});
  moving.boot();
  moving.migrate_at(300us);
  moving.rig.run();
  REQUIRE(!moving.report().failed);
  CHECK(moving.report().rounds == 5);
  CHECK(moving.report().bytes > 6 * params.memory.count());
  CHECK(moving.report().downtime() > time_for(params.memory, moving_link().bandwidth));
}

TEST_CASE("a guest may be killed in any phase of its migration, both hosts are left empty",
          "[migration]") {
  const bool whole = GENERATE(true, false);
  bool before = false;
  bool after = false;
  for (std::int64_t step = 0; step < 60; ++step) {
    Moving moving(moving_guest(whole ? PasidScope::system_wide : PasidScope::guest_wide));
    moving.boot();
    moving.migrate_at(300us);
    const Ps when = 300us + step * 11'300ns;
    moving.rig.at(when, [&](Thread&) { moving.guest.kill(); });
    moving.rig.run();
    INFO("killed at " << to_text(when));
    const auto& failed = moving.report().failed;
    if (failed) CHECK(failed->why == MigrationFailure::guest_ended);
    (failed ? before : after) = true;
    check_both_empty(moving);
  }
  CHECK(before);
  CHECK(after);
}

TEST_CASE("a function may vanish in any phase of a migration, the guest goes on without it",
          "[migration]") {
  const bool whole = GENERATE(true, false);
  const bool shared = GENERATE(true, false);
  bool went = false;
  bool came_along = false;
  for (std::int64_t step = 0; step < 50; ++step) {
    Moving moving(moving_guest(whole ? PasidScope::system_wide : PasidScope::guest_wide),
                  {.shared = shared});
    moving.boot();
    moving.migrate_at(300us);
    const Ps when = 290us + step * 13'700ns;
    moving.rig.at(when, [&](Thread&) {
      if (&moving.guest.host() == &moving.rig.host)
        moving.guest.unplug_function(0, Unplug::surprise);
    });
    moving.rig.at(400ms, [&](Thread&) { moving.guest.kill(); });
    moving.rig.run();
    INFO("unplugged at " << to_text(when));
    CHECK(!moving.report().failed);
    (moving.guest.driver(0).probed() ? came_along : went) = true;
    CHECK(moving.finished());
    check_both_empty(moving);
  }
  CHECK(went);
  CHECK(came_along);
}

TEST_CASE(
    "a function that is plugged in in any phase of a migration is used wherever the guest is then",
    "[migration]") {
  struct Kind {
    PasidScope pasids;
    HostInterface by;
  };
  const auto kind = GENERATE(Kind{PasidScope::system_wide, HostInterface::vfio},
                             Kind{PasidScope::guest_wide, HostInterface::vfio},
                             Kind{PasidScope::guest_wide, HostInterface::iommufd});
  GuestParams params = moving_guest(kind.pasids);
  params.host_interface = kind.by;
  int during = 0;
  for (std::int64_t step = 0; step < 40; ++step) {
    Moving moving(params, {.processes = 0});
    ProcessGroup& late = moving.rig.group(moving.guest, moving_load(), {&moving.guest.driver(0)});
    Process& process = moving.rig.process(late);
    moving.boot();
    moving.rig.at(300us, [&](Thread&) { moving.guest.unplug_function(0, Unplug::orderly); });
    moving.migrate_at(1ms);
    const Ps when = 900us + step * 100us;
    moving.rig.at(when, [&](Thread&) { CHECK(moving.guest.plug_function(0).empty()); });
    moving.rig.at(100ms, [&](Thread&) { process.start(); });
    moving.rig.at(400ms, [&](Thread&) { moving.guest.kill(); });
    moving.rig.run();
    INFO("plugged in at " << to_text(when));
    const MigrationReport& report = moving.report();
    CHECK(!report.failed);
    const Instant then{when};
    if (report.began < then && report.paused && then < *report.paused) ++during;
    CHECK(late.stats.rounds == 60);
    CHECK(late.stats.failed == 0);
    CHECK(late.stats.work_failed == 0);
    CHECK(moving.guest.nothing_left());
  }
  CHECK(during > 0);
}
