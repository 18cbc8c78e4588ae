// What a run takes grows with its parts, and no faster.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/trial.hpp"
#include "tests/support/catch.hpp"

#include <malloc.h>

using namespace viosim;

namespace {

// Hosts with an IOMMU and two devices each.
Scenario hosts(std::uint32_t count) {
  VtdIommu iommu;
  iommu.name = "i";
  DmaDevice device;
  device.name = "d";
  device.count = 2;
  device.iommu = "i";
  device.dma.requests = 1;
  device.dma.traffic.window = page_4k;
  HostConfig host;
  host.name = "h";
  host.count = count;
  host.iommus.emplace_back(iommu);
  host.devices.emplace_back(device);
  Scenario scenario;
  scenario.name = "memory";
  scenario.hosts.push_back(host);
  return scenario;
}

std::size_t bytes_of_each(std::uint32_t count) {
  const Scenario scenario = hosts(count);
  const std::size_t before = mallinfo2().uordblks;
  const Trial trial(scenario, {});
  return (mallinfo2().uordblks - before) / count;
}

}  // namespace

TEST_CASE("a host takes as much memory among many as among few", "[memory]") {
  // Stacks of actors stay out of what is counted.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  const std::size_t among_few = bytes_of_each(100);
  if (among_few == 0) {
    WARN("this memory allocator does not tell what is in use: nothing was tested");
    return;
  }
  const std::size_t among_many = bytes_of_each(2000);
  CAPTURE(among_few, among_many);
  CHECK(among_many < among_few + among_few / 5);
  CHECK(among_many < 64 * 1024);
}
