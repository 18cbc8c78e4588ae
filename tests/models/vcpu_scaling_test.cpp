// Published: a guest that unmaps strictly through one nested vIOMMU rises to eight vCPUs and collapses
// beyond (47, 84, 156, 238, 25, 18 Gb/s with 1, 2, 4, 8, 16, 20 vCPUs).
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/software_rig.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr std::uint64_t pages = 16;  // an invalidation for so many; published: for 9 to 15
constexpr std::uint32_t rounds = 400;

// Why these: scenarios/validation/README.md.
GuestParams fitted(std::uint32_t vcpus) {
  GuestParams params;
  params.vcpus = vcpus;
  params.memory = 64_MiB;
  params.world_switch.vm_exit = 400ns;
  params.world_switch.user_exit = 300ns;
  params.world_switch.system_call = 50ns;
  params.vfio.invalidate = 50ns;
  params.kernel.mm.fault = 20ns;
  params.kernel.mm.region = 100ns;
  params.iommu.lock.halts = true;
  params.iommu.lock.halts_after = 20us;
  params.iommu.lock.kick = 18us;
  params.iommu.lock.per_waiter = 30ns;
  return params;
}

double gigabits(std::uint32_t vcpus) {
  RigParams hardware;
  hardware.iommu.walkers = 64;
  SoftwareRig rig(hardware);
  Guest& guest = rig.add_guest(fitted(vcpus));
  Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::virtual_command);
  Guest::Assignment assignment;
  assignment.shows_ats = false;
  assignment.driver.interrupt = 2us;
  FunctionDriver& driver = rig.assign(guest, unit, rig.add_device(vcpus), assignment);
  ProcessParams params;
  params.work.traffic.pattern = Pattern::sequential;
  params.work.traffic.window = Bytes(pages << 12U);
  params.work.traffic.request = 4_KiB;
  params.work.requests = pages;
  params.work.outstanding = pages;
  params.populate = true;
  params.unmap = pages;
  params.rounds = rounds;
  params.pause = 3400ns;
  ProcessGroup& group = rig.group(guest, params, {&driver});
  for (std::uint32_t i = 0; i < vcpus; ++i) rig.process(group);
  Instant booted;
  guest.boot([&rig, &booted](Thread& thread) {
    booted = thread.now();
    for (Process& process : rig.processes) process.start();
  });
  rig.run();

  CHECK(group.stats.rounds == std::uint64_t{rounds} * vcpus);
  CHECK(group.stats.work_failed == 0);
  const double seconds = static_cast<double>((group.last_exit - booted).count()) * 1e-12;
  return static_cast<double>(group.stats.rounds * pages * 4096 * 8) / seconds * 1e-9;
}

}  // namespace

TEST_CASE("strict unmapping through one vIOMMU rises to 8 vCPUs, and collapses by 5 times at 16",
          "[validation]") {
  struct Point {
    std::uint32_t vcpus;
    double published;
  };
  constexpr std::array<Point, 6> points{
      {{1, 47.3}, {2, 84.3}, {4, 155.8}, {8, 237.8}, {16, 25.0}, {20, 17.9}}};
  std::vector<double> simulated;
  for (const Point& point : points) {
    simulated.push_back(gigabits(point.vcpus));
    INFO(point.vcpus << " vCPUs: " << simulated.back() << " Gb/s, published " << point.published);
    CHECK(simulated.back() > 0.8 * point.published);
    CHECK(simulated.back() < 1.45 * point.published);
  }
  CHECK(std::is_sorted(simulated.begin(), simulated.begin() + 4));
  CHECK(simulated[3] > 5 * simulated[4]);
  CHECK(simulated[4] > simulated[5]);
}
