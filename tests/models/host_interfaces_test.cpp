// Whole guests by either interface to their host: the lengths of their paths, and that they may do the same.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/software_rig.hpp"

#include <functional>
#include <utility>

using namespace viosim;
using namespace viosim::test;

namespace {

GuestParams by(HostInterface interface) {
  GuestParams params;
  params.memory = 64_MiB;
  params.host_interface = interface;
  const bool vfio = interface == HostInterface::vfio;
  params.pasids = vfio ? PasidScope::system_wide : PasidScope::guest_wide;
  return params;
}

// A guest with a function, and a thread of its kernel.
struct Whole {
  explicit Whole(HostInterface interface, bool page_requests = false)
      : modern(interface == HostInterface::iommufd),
        guest(rig.add_guest(by(interface))),
        unit(guest.add_unit("v0", {},
                            modern ? PasidBackend::guest_local : PasidBackend::virtual_command)) {
    Guest::Assignment assignment;
    assignment.shows_ats = page_requests;
    driver = &rig.assign(guest, unit, rig.add_device(4), assignment);
  }
  void run(std::function<void(Thread&, Mm&)> work) {
    guest.boot([this, work = std::move(work)](Thread& thread) {
      CHECK(guest.boot_errors().empty());
      Mm mm(rig.rig.engine, "process", guest.kernel.params().mm, guest.memory, guest.frames);
      CHECK(mm.map(thread, {base, 16}) == Errno::ok);
      work(thread, mm);
    });
    rig.run();
  }
  template <class F>
  PathLengths path(F&& operation) {
    const PathLengths before = guest.machine.paths;
    std::forward<F>(operation)();
    return guest.machine.paths - before;
  }

  static constexpr Iova base{0x7f00'0000'0000};
  bool modern;
  SoftwareRig rig;
  Guest& guest;
  Guest::Unit& unit;
  FunctionDriver* driver = nullptr;
};

HostInterface either() { return GENERATE(HostInterface::vfio, HostInterface::iommufd); }

}  // namespace

TEST_CASE("a whole guest's paths are those of the closed forms", "[guest][iommufd]") {
  Whole whole(either());
  const bool modern = whole.modern;
  whole.run([&](Thread& thread, Mm& mm) {
    std::optional<FunctionDriver::Use> use;
    // A PASID is 2 exits and a call, or nothing; a bind 2 kicks and a call, or two calls.
    CHECK(whole.path([&] { use = whole.driver->open(thread, mm).value(); }) ==
          PathLengths{.user_exits = modern ? 2U : 4U, .kicks = 2, .ioctls = 2});
    CHECK(whole.path([&] { CHECK(mm.unmap(thread, Whole::base, 4) == Errno::ok); }) ==
          PathLengths{.user_exits = 1, .kicks = 1, .ioctls = 1});
    CHECK(whole.path([&] { CHECK(whole.driver->close(thread, *use) == Errno::ok); }) ==
          PathLengths{.user_exits = 2, .kicks = 2, .ioctls = modern ? 2U : 1U});
    CHECK(whole.path([&] { mm.exit(thread); }) ==
          PathLengths{.user_exits = modern ? 0U : 2U, .ioctls = modern ? 0U : 1U});
  });
  // A container and a call for each function; or 5 calls, and 3 for each.
  CHECK(whole.guest.machine.paths.ioctls == (modern ? 8U + 5U : 2U + 5U));
}

// Where a guest sees ATS and page requests, which is the default.
TEST_CASE("a whole guest's paths where its functions ask for pages", "[guest][iommufd]") {
  Whole whole(either(), true);
  const bool modern = whole.modern;
  whole.run([&](Thread& thread, Mm& mm) {
    std::optional<FunctionDriver::Use> use;
    CHECK(whole.path([&] { use = whole.driver->open(thread, mm).value(); }) ==
          PathLengths{.user_exits = modern ? 2U : 4U, .kicks = 2, .ioctls = 2});
    // A kick for the IOTLB, one for the device's TLB, which the host has flushed with it.
    CHECK(whole.path([&] { CHECK(mm.unmap(thread, Whole::base, 4) == Errno::ok); }) ==
          PathLengths{.user_exits = 2, .kicks = 2, .ioctls = 1});
    // And one that drains: head and tail of the page request queue are read before, its status after.
    CHECK(whole.path([&] { CHECK(whole.driver->close(thread, *use) == Errno::ok); }) ==
          PathLengths{.user_exits = 3 + 3, .kicks = 3, .ioctls = modern ? 3U : 1U});
    CHECK(whole.path([&] { mm.exit(thread); }) ==
          PathLengths{.user_exits = modern ? 0U : 2U, .ioctls = modern ? 0U : 1U});
  });
}

TEST_CASE("a fault in a whole guest is an interrupt, an event, an injection, a kick and the answer",
          "[guest][iommufd]") {
  Whole whole(either(), true);
  const bool modern = whole.modern;
  whole.run([&](Thread& thread, Mm& mm) {
    const FunctionDriver::Use use = whole.driver->open(thread, mm).value();
    QueueWork work;
    work.dma.requests = 1;
    work.dma.outstanding = 1;
    work.dma.traffic.window = 4_KiB;
    work.base = Whole::base;
    const PathLengths before = whole.guest.machine.paths;
    bool done = false;
    CHECK(whole.driver->submit(thread, use, work, [&](Thread&, FunctionDriver::End end) {
      done = end == FunctionDriver::End::completed;
    }) == Errno::ok);
    thread.sleep(1ms);
    CHECK(done);
    CHECK(whole.guest.machine.paths - before == PathLengths{.user_exits = 1 + 5,
                                                            .kicks = 1,
                                                            .ioctls = modern ? 2U : 1U,
                                                            .host_interrupts = 1,
                                                            .eventfds = 1,
                                                            .injected = 1});
    whole.driver->close(thread, use);
    mm.exit(thread);
  });
}

TEST_CASE("two guests by iommufd use the same numbers, and do not meet", "[guest][iommufd]") {
  SoftwareRig rig;
  ProcessParams life;
  life.work.traffic.window = 64_KiB;
  life.work.requests = 32;
  life.rounds = 4;
  life.unmap = 3;
  for (int i = 0; i < 2; ++i) {
    Guest& guest = rig.add_guest(by(HostInterface::iommufd));
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::guest_local);
    ProcessGroup& group = rig.group(guest, life, {&rig.assign(guest, unit, rig.add_device(4))});
    Process& one = rig.process(group);
    Process& other = rig.process(group);
    guest.boot([&](Thread&) {
      one.start();
      other.start();
    });
  }
  rig.run();
  for (const ProcessGroup& group : rig.groups) {
    CHECK(group.stats.finished == 2);
    CHECK(group.stats.work_failed == 0);
    CHECK(group.stats.failed == 0);
  }
  for (const auto& guest : rig.guests) {
    CHECK(guest->residence().file()->stats.attached == 3);
    CHECK(!guest->nothing_left());  // the machine runs on
  }
  CHECK(rig.host.kernel.pasids.space().size() == 0);
}

TEST_CASE("functions and vIOMMUs of a guest by iommufd go and come while it works",
          "[guest][iommufd]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  const bool unit_goes = GENERATE(false, true);
  Whole whole(HostInterface::iommufd, true);
  ProcessParams life;
  life.work.traffic.window = 64_KiB;
  life.work.requests = 32;
  life.rounds = 40;
  life.unmap = 3;
  ProcessGroup& before = whole.rig.group(whole.guest, life, {whole.driver});
  ProcessGroup& after = whole.rig.group(whole.guest, life, {whole.driver});
  Process& first = whole.rig.process(before);
  Process& second = whole.rig.process(after);
  whole.guest.boot([&](Thread& thread) {
    first.start();
    const auto at = [&](Ps when, std::function<void()> act) {
      whole.rig.host.kernel.workers.post_at(thread.now() + when, [act](Thread&) { act(); });
    };
    at(300us, [&] {
      if (unit_goes)
        whole.guest.unplug_unit("v0", how);
      else
        whole.guest.unplug_function(0, how);
    });
    at(100ms, [&] {
      if (unit_goes)
        whole.guest.plug_unit("v0");
      else
        whole.guest.plug_function(0);
    });
    at(200ms, [&] { second.start(); });
    at(300ms, [&] { whole.guest.kill(); });
  });
  whole.rig.run();
  CHECK(before.stats.finished == 1);
  CHECK(after.stats.finished == 1);
  CHECK(after.stats.work_failed == 0);
  CHECK(after.stats.failed == 0);
  CHECK(whole.guest.hotplug.refused == 0);
  CHECK(whole.guest.nothing_left());
  CHECK(whole.rig.host.iommufd.owners.empty());
  CHECK(whole.rig.unit.kernel.driver.function(whole.rig.devices[0].source()) == nullptr);
}
