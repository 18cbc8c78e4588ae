// Guests as wholes: boot, two vIOMMUs, shared queues, shutdown, and death at any instant. Whatever they did,
// their host is left as it was.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/software_rig.hpp"

#include <algorithm>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

ProcessParams busy() {
  ProcessParams params;
  params.work.traffic.window = Bytes(32 * 4096);
  params.work.traffic.request = 4_KiB;
  params.work.requests = 24;
  params.work.outstanding = 4;
  params.rounds = 3;
  params.unmap = 5;
  params.pause = 2us;
  return params;
}

// Two vIOMMUs with a function each, and processes that use both.
struct TwoUnits {
  explicit TwoUnits(SoftwareRig& on, const GuestParams& params, PasidBackend backend,
                    std::uint32_t processes = 6)
      : rig(on), guest(on.add_guest(params)) {
    std::vector<FunctionDriver*> drivers;
    for (const char* const name : {"v0", "v1"}) {
      Guest::Unit& unit = guest.add_unit(name, {}, backend);
      drivers.push_back(&on.assign(guest, unit, on.add_device(4)));
    }
    group = &on.group(guest, busy(), drivers);
    for (std::uint32_t i = 0; i < processes; ++i) all.push_back(&on.process(*group));
  }
  void boot() {
    guest.boot([this](Thread&) {
      for (Process* const process : all) process->start();
    });
  }
  bool finished() const {
    return std::all_of(all.begin(), all.end(), [](const Process* p) { return p->finished(); });
  }

  SoftwareRig& rig;
  Guest& guest;
  ProcessGroup* group = nullptr;
  std::vector<Process*> all;
};

void check_host_empty(SoftwareRig& rig) {
  CHECK(rig.host.kernel.pasids.space().size() == 0);
  std::uint32_t reserved = 0;  // by machines that run
  for (const auto& guest : rig.guests) {
    const bool has_set = guest->residence().container() != nullptr && !guest->machine.closed();
    reserved += has_set ? 1000 : 0;
  }
  CHECK(rig.host.ids.sets.capacity_left() == (1U << 20U) - reserved);
  CHECK(rig.unit.kernel.requests.pending() == 0);
  CHECK(rig.unit.kernel.faults.incomplete() == 0);
  CHECK(rig.host.frames.taken() == 0);
  for (const auto& guest : rig.guests) CHECK(guest->nothing_left());
  for (const AtsDevice& device : rig.devices) {
    CHECK(device.requests_in_flight() == 0);
    CHECK(device.page_requests_outstanding() == 0);
    CHECK(device.tlb().size() == 0);
    for (std::uint32_t pasid = 1; pasid < 64; ++pasid)
      CHECK(!rig.unit.kernel.driver.present(device.source(), Pasid(pasid)));
  }
}

}  // namespace

TEST_CASE("two vIOMMUs with one backend: one id space, one PASID behind both", "[guest]") {
  SoftwareRig rig;
  TwoUnits two(rig, {}, PasidBackend::virtual_command);
  two.boot();
  rig.run();
  CHECK(two.guest.boot_errors().empty());
  CHECK(two.finished());
  CHECK(two.group->stats.work_failed == 0);
  CHECK(two.guest.container().stats.allocated == 6);
  CHECK(two.guest.container().stats.freed == 6);
  CHECK(two.guest.container().stats.bound == 12);
  check_host_empty(rig);
}

TEST_CASE("two vIOMMUs with spaces of their own: the first serves the whole guest", "[guest]") {
  SoftwareRig rig;
  GuestParams params;
  params.pasids = PasidScope::guest_wide;
  TwoUnits two(rig, params, PasidBackend::guest_local);
  two.boot();
  rig.run();
  CHECK(two.finished());
  CHECK(two.group->stats.work_failed == 0);
  CHECK(two.guest.container().stats.allocated == 6);
  check_host_empty(rig);
}

TEST_CASE(
    "numbers that a device does not want are kept from a guest's processes, whoever gives them",
    "[guest]") {
  SoftwareRig rig;
  GuestParams params;
  const bool by_host = GENERATE(false, true);
  if (!by_host) params.pasids = PasidScope::guest_wide;
  Guest& guest = rig.add_guest(params);
  Guest::Unit& unit =
      guest.add_unit("v0", {}, by_host ? PasidBackend::virtual_command : PasidBackend::guest_local);
  Guest::Assignment assignment;
  assignment.sva = {.min_pasid = 3, .reserved = {Pasid(1), Pasid(4)}};
  FunctionDriver& driver = rig.assign(guest, unit, rig.add_device(4), assignment);
  ProcessGroup& group = rig.group(guest, busy(), {&driver});
  for (int i = 0; i < 2; ++i) rig.process(group);
  guest.boot([&](Thread&) {
    for (Process& process : rig.processes) process.start();
  });
  rig.at(20ms, [&](Thread&) {
    // What was reserved stays with the driver, and what was too low has gone back.
    CHECK(guest.kernel.pasids.space().ids() == std::vector<ioasid::Ioasid>{1, 4});
    CHECK(rig.host.kernel.pasids.space().size() == (by_host ? 2 : 0));
    guest.kernel.workers.post([&](Thread& thread) { guest.shut_down(thread); });
  });
  rig.run();
  CHECK(guest.boot_errors().empty());
  CHECK(group.stats.finished == 2);
  CHECK(group.stats.failed == 0);
  if (by_host) CHECK(guest.virtual_commands.stats.allocated == 6);  // 1 to 5, and 2 again
  check_host_empty(rig);
}

TEST_CASE("a guest that shuts down gives all back by itself", "[guest]") {
  SoftwareRig rig;
  const bool modern = GENERATE(false, true);
  GuestParams params;
  if (modern) params.host_interface = HostInterface::iommufd;
  TwoUnits two(rig, params, modern ? PasidBackend::guest_local : PasidBackend::virtual_command);
  two.boot();
  const Ps when = GENERATE(500us, 1ms, 30ms);
  rig.at(when, [&](Thread&) {
    two.guest.kernel.workers.post([&](Thread& thread) { two.guest.shut_down(thread); });
  });
  rig.run();
  CHECK(two.guest.machine.closed());
  check_host_empty(rig);
}

TEST_CASE("a guest may be killed at any instant, its host is left empty", "[guest]") {
  const auto interface = GENERATE(HostInterface::vfio, HostInterface::iommufd);
  const bool whole = interface == HostInterface::vfio && GENERATE(true, false);
  for (std::int64_t step = 0; step < 60; ++step) {
    SoftwareRig rig;
    GuestParams params;
    params.host_interface = interface;
    params.pasids = whole ? PasidScope::system_wide : PasidScope::guest_wide;
    TwoUnits two(rig, params, whole ? PasidBackend::virtual_command : PasidBackend::guest_local, 3);
    TwoUnits other(rig, {}, PasidBackend::virtual_command, 2);
    two.boot();
    other.boot();
    rig.at(step * 17'300ns, [&](Thread&) { two.guest.kill(); });
    rig.run();
    INFO("killed at " << step * 17'300 << " ns");
    CHECK(two.guest.machine.closed());
    CHECK(other.finished());
    CHECK(other.group->stats.work_failed == 0);
    CHECK(two.guest.nothing_left());
    check_host_empty(rig);
  }
}
