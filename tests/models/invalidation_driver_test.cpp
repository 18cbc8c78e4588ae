// The driver's side of the invalidation queue.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/invalidation_driver.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"
#include "tests/support/rig.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf device{1, 0, 0};

}  // namespace

TEST_CASE("a submission that a time-out aborts is made again", "[models][driver]") {
  RigParams params;
  params.iommu.invalidation.device_tlb_timeout = 10us;
  Rig rig(params);
  FakeFunction function(rig.engine.agenda(), rig.unit(), device);
  function.answers = false;
  InvalidationDriver driver(rig.engine, rig.memory, rig.unit().queue(), 50ns);
  rig.engine.spawn("submitter", Lifetime::finishes, [&] {
    const vtd::Descriptor flush = QueueRig::device_tlb(device);
    driver.submit_and_wait({&flush, 1});
    // Sent at 195 ns, aborted at 10,195 ns, seen 50 ns later; then 995 ns and 50 ns again.
    CHECK(rig.engine.now() == Instant(10195ns + 50ns + 995ns + 50ns));
  });
  rig.engine.spawn("device", Lifetime::finishes, [&] {
    rig.engine.sleep_for(5us);
    function.answers = true;
  });
  rig.engine.run();
  CHECK(function.requests.size() == 2);
  CHECK(function.requests[0].tag != function.requests[1].tag);
  CHECK(rig.unit().queue().errors() == vtd::InvalidationErrors{});
  CHECK(rig.unit().queue().devices().stats.timeouts == 1);
}

TEST_CASE("a device that never answers ends the run, and the run says so", "[models][driver]") {
  const bool late = GENERATE(false, true);  // or answers, and always too late
  RigParams params;
  params.iommu.invalidation.device_tlb_timeout = late ? 1ns : 10us;
  Rig rig(params);
  FakeFunction function(rig.engine.agenda(), rig.unit(), device);
  function.answers = late;
  InvalidationDriver driver(rig.engine, rig.memory, rig.unit().queue(), 50ns);
  driver.give_up_after(5);
  rig.engine.spawn("submitter", Lifetime::finishes, [&] {
    const vtd::Descriptor flush = QueueRig::device_tlb(device);
    driver.submit_and_wait({&flush, 1});
  });
  CHECK_THROWS_WITH(rig.engine.run(), Catch::Contains("submitted 5 times") &&
                                          Catch::Contains("(ITE): device 01:00.0"));
  CHECK(function.requests.size() == 5);
}

TEST_CASE("submitters wait for room, and the ring never overflows", "[models][driver]") {
  RigParams params;
  params.iommu.invalidation.entries = 128;
  Rig rig(params);
  FakeFunction function(rig.engine.agenda(), rig.unit(), device);
  InvalidationDriver driver(rig.engine, rig.memory, rig.unit().queue(), 50ns);
  unsigned done = 0;
  for (unsigned i = 0; i < 20; ++i) {
    rig.engine.spawn("submitter", Lifetime::finishes, [&] {
      const std::vector<vtd::Descriptor> flushes(60, QueueRig::device_tlb(device));
      for (unsigned round = 0; round < 3; ++round) driver.submit_and_wait(flushes);
      ++done;
    });
  }
  rig.engine.run();
  CHECK(done == 20);
  CHECK(rig.unit().queue().stats.waits == 60);
  CHECK(function.requests.size() == 3600);
  CHECK(rig.unit().queue().devices().stats.in_flight_most == 32);
}
