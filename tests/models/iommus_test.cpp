// Page faults where there is more than one IOMMU, and what devices and hosts' IOMMUs may be that others
// are not: checked against the invariants.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/checked_run.hpp"
#include "tests/support/software_rig.hpp"

#include <array>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

ProcessParams first_touches() {
  ProcessParams params;
  params.work.traffic.pattern = Pattern::sequential;
  params.work.traffic.window = Bytes(16 * 4096);
  params.work.traffic.request = 4_KiB;
  params.work.requests = 16;
  params.work.outstanding = 4;
  params.rounds = 3;
  params.unmap = 4;
  return params;
}

// Whose processes use the functions.
enum class Home { host, vfio, iommufd };

GuestParams guest_of(Home home) {
  GuestParams params;
  params.memory = 64_MiB;
  params.pasids = PasidScope::guest_wide;
  if (home == Home::iommufd) params.host_interface = HostInterface::iommufd;
  return params;
}

// Processes of one home, and functions that they use.
struct Users {
  explicit Users(Home of, const RigParams& params = {},
                 const std::vector<DeviceOptions>& options = {{}}, std::size_t viommus = 1,
                 const FunctionDriverParams& driver = {})
      : rig(params), home(of) {
    for (const DeviceOptions& one : options) {
      while (rig.host.units.size() <= one.behind) rig.add_iommu();
      rig.add_device(8, one);
    }
    if (home == Home::host) {
      for (AtsDevice& device : rig.devices)
        drivers.push_back(&rig.host_driver(device, nullptr, {}, driver));
      return;
    }
    guest = &rig.add_guest(guest_of(home));
    for (std::size_t i = 0; i < viommus; ++i)
      guest->add_unit("v" + std::to_string(i), {}, PasidBackend::guest_local);
    Guest::Assignment assignment;
    assignment.driver = driver;
    std::size_t next = 0;
    for (AtsDevice& device : rig.devices)
      drivers.push_back(&rig.assign(*guest, guest->units[next++ % viommus], device, assignment));
  }
  // Returns what is violated.
  std::string run(const ProcessParams& params) {
    group =
        home == Home::host ? &rig.host_group(params, drivers) : &rig.group(*guest, params, drivers);
    Process& process = rig.process(*group);
    if (home == Home::host)
      rig.at(10us, [&process](Thread&) { process.start(); });
    else
      guest->boot([&process](Thread&) { process.start(); });
    CheckedRun checked(rig);
    rig.run();
    CHECK(process.finished());
    CHECK(group->stats.rounds == params.rounds);
    CHECK(group->stats.work_failed == 0);
    for (const AtsDevice& device : rig.devices) CHECK(device.page_requests_outstanding() == 0);
    return checked.violations();
  }

  SoftwareRig rig;
  Home home;
  Guest* guest = nullptr;
  std::vector<FunctionDriver*> drivers;
  ProcessGroup* group = nullptr;
};

}  // namespace

TEST_CASE("each IOMMU of a host has a ring of its own for page requests", "[software]") {
  const Home home = GENERATE(Home::host, Home::vfio, Home::iommufd);
  const std::size_t viommus = GENERATE(std::size_t{1}, std::size_t{2});
  Users two(home, {}, {{0}, {1}}, viommus);
  CHECK(two.run(first_touches()) == "");
  for (Host::Unit& unit : two.rig.host.units) {
    CHECK(unit.hardware.page_requests().base() != Hpa());
    CHECK(unit.hardware.page_requests().stats.written > 0);
  }
  CHECK(two.rig.host.units[0].hardware.page_requests().base() !=
        two.rig.host.units[1].hardware.page_requests().base());
}

TEST_CASE("private data of page requests comes back with their answers", "[software]") {
  const Home home = GENERATE(Home::host, Home::vfio, Home::iommufd);
  DeviceOptions options;
  options.pri.private_data = true;
  options.pri.group_pages = 3;
  Users one(home, {}, {options});
  CHECK(one.run(first_touches()) == "");
  CHECK(one.rig.devices.front().stats.page_requests > 0);
}

TEST_CASE("the end of a PASID is followed by a stop marker, that of work without one is not",
          "[software]") {
  const Home home = GENERATE(Home::host, Home::vfio, Home::iommufd);
  const bool without_pasid = home == Home::host && GENERATE(false, true);
  FunctionDriverParams driver;
  driver.stop_marker = true;
  Users one(home, {}, {{}}, 1, driver);
  ProcessParams params = first_touches();
  params.without_pasid = params.populate = without_pasid;
  CHECK(one.run(params) == "");
  const auto& requests = one.rig.unit.kernel.requests.stats;
  CHECK(requests.refused == 0);
  CHECK((requests.stop_markers > 0) == !without_pasid);
}

TEST_CASE("under caching mode a host's kernel flushes the TLBs of its functions by itself",
          "[software]") {
  const Home home = GENERATE(Home::host, Home::vfio, Home::iommufd);
  RigParams params;
  params.iommu.caching_mode = true;
  Users one(home, params);
  ProcessParams works = first_touches();
  works.rebind = true;
  CHECK(one.run(works) == "");
  CHECK(one.rig.devices.front().tlb().size() == 0);
}
