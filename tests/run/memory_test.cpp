// What a run takes grows with its parts, and no faster.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/trial.hpp"
#include "tests/support/catch.hpp"

#include <malloc.h>
#include <string>
#include <vector>

using namespace viosim;

namespace {

HostConfig host(const std::string& name, std::uint32_t count, std::uint32_t devices) {
  VtdIommu iommu;
  iommu.name = "i";
  DmaDevice device;
  device.name = "d";
  device.count = devices;
  device.iommu = "i";
  device.dma.requests = 1;
  device.dma.traffic.window = page_4k;
  HostConfig host;
  host.name = name;
  host.count = count;
  host.iommus.emplace_back(iommu);
  host.devices.emplace_back(device);
  return host;
}

std::size_t bytes_of(const std::vector<HostConfig>& hosts) {
  Scenario scenario;
  scenario.name = "memory";
  scenario.hosts = hosts;
  const std::size_t before = mallinfo2().uordblks;
  const Trial trial(scenario, {});
  return mallinfo2().uordblks - before;
}

}  // namespace

TEST_CASE("a host takes as much memory beside many devices of others as beside few", "[memory]") {
  // Stacks of actors stay out of what is counted.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  const std::size_t alone = bytes_of({host("crowded", 1, 20'000)});
  if (alone == 0) {
    WARN("this memory allocator does not tell what is in use: nothing was tested");
    return;
  }
  constexpr std::size_t others = 100;
  const std::size_t all = bytes_of({host("crowded", 1, 20'000), host("small", others, 1)});
  CAPTURE(alone, all);
  CHECK(all > alone);
  CHECK((all - alone) / others < 100'000);
}
