// Storms of binds, unbinds, unmappings, faults and ends of processes, from printed seeds.
// SPDX-License-Identifier: Apache-2.0
#include "tests/models/sva_storm.hpp"

#include "tests/support/catch.hpp"

#include <memory>

using namespace viosim;
using namespace viosim::test;

TEST_CASE("in a storm no device uses a frame that is not the page's, and nothing is left behind",
          "[kernel][storm]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 31)));
  CAPTURE(seed);
  std::string log;
  {
    SvaStorm storm(seed);
    storm.run();
    CHECK(storm.stale() == 0);
    CHECK(storm.leftovers() == "");
    CHECK(storm.sum(&ScriptedDevice::starved) == 0);
    CHECK(storm.sum(&ScriptedDevice::used) > 0);
    CHECK(storm.sum(&ScriptedDevice::asked) > 0);
    log = storm.log();
  }
  SvaStorm again(seed);
  again.run();
  CHECK(again.log() == log);
}

TEST_CASE("a storm finds each flush that is left out", "[kernel][storm]") {
  struct Broken {
    Order order;
    Step step;
  };
  const Broken broken = GENERATE(values<Broken>({
      {Order::unmap_first, Step::flush_iotlb_pages},
      {Order::unmap_first, Step::flush_device_tlb_pages},
      {Order::tear_down, Step::flush_pasid_cache},
      {Order::tear_down, Step::flush_iotlb_of_entry},
      {Order::tear_down, Step::flush_device_tlb},
      {Order::tear_down, Step::clear_present},
  }));
  CAPTURE(name_of(broken.order), name_of(broken.step));
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SvaStorm storm(seed);
    storm.run([&](KernelRig& rig) {
      REQUIRE(rig.driver.orders.drop(broken.order, broken.step));
      rig.driver.orders.drop(Order::drain, Step::drain_hardware);  // flushes once more
    });
    found +=
        storm.stale() + storm.sum(&ScriptedDevice::starved) + (storm.leftovers().empty() ? 0U : 1U);
  }
  CHECK(found > 0);
}
