// The driver's side of the invalidation queue.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/invalidation_driver.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"
#include "tests/support/rig.hpp"

#include <cstdint>
#include <deque>
#include <vector>

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
  const std::uint32_t outstanding = GENERATE(1U, 2U, 128U);
  CAPTURE(late, outstanding);
  RigParams params;
  params.iommu.invalidation.outstanding = outstanding;
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

TEST_CASE(
    "a submission with a request that timed out is made again, whether its wait was under way or "
    "not",
    "[models][driver]") {
  const std::uint32_t outstanding = GENERATE(1U, 2U, 3U, 128U);
  const std::size_t silent = GENERATE(0U, 1U, 2U);
  CAPTURE(outstanding, silent);
  RigParams params;
  params.iommu.invalidation.outstanding = outstanding;
  params.iommu.invalidation.device_tlb_timeout = 10us;
  Rig rig(params);
  const std::vector<Bdf> sources{Bdf{1, 0, 0}, Bdf{2, 0, 0}, Bdf{3, 0, 0}};
  std::deque<FakeFunction> functions;
  std::vector<vtd::Descriptor> flushes;
  for (const Bdf source : sources) {
    functions.emplace_back(rig.engine.agenda(), rig.unit(), source);
    flushes.push_back(QueueRig::device_tlb(source));
  }
  functions[silent].answers = false;
  InvalidationDriver driver(rig.engine, rig.memory, rig.unit().queue(), 50ns);
  rig.engine.spawn("submitter", Lifetime::finishes, [&] { driver.submit_and_wait(flushes); });
  rig.engine.spawn("device", Lifetime::finishes, [&] {
    rig.engine.sleep_for(5us);
    functions[silent].answers = true;
  });
  rig.engine.run();
  for (const FakeFunction& function : functions) CHECK(function.requests.size() == 2);
  CHECK(rig.unit().queue().devices().stats.timeouts == 1);
}

TEST_CASE("a time-out is not that of a submission that hardware had not come to",
          "[models][driver]") {
  RigParams params;
  params.iommu.invalidation.outstanding = 1;
  params.iommu.invalidation.device_tlb_timeout = 10us;
  Rig rig(params);
  FakeFunction function(rig.engine.agenda(), rig.unit(), device);
  function.answers = false;
  InvalidationDriver driver(rig.engine, rig.memory, rig.unit().queue(), 50ns);
  const vtd::Descriptor flush = QueueRig::device_tlb(device);
  std::vector<Instant> ends;
  for (unsigned i = 0; i < 2; ++i) {
    rig.engine.spawn("submitter", Lifetime::finishes, [&] {
      driver.submit_and_wait({&flush, 1});
      ends.push_back(rig.engine.now());
    });
  }
  rig.engine.spawn("device", Lifetime::finishes, [&] {
    rig.engine.sleep_for(5us);
    function.answers = true;
  });
  rig.engine.run();
  CHECK(function.requests.size() == 3);
  REQUIRE(ends.size() == 2);
}

TEST_CASE("an order for more functions than the ring has room for is several submissions",
          "[models][driver]") {
  const bool scalable = GENERATE(false, true);
  const unsigned number = GENERATE(60U, 63U, 64U, 125U, 127U, 128U, 130U, 700U);
  CAPTURE(scalable, number);
  RigParams params;
  params.iommu.mode = scalable ? vtd::Mode::scalable : vtd::Mode::legacy;
  params.iommu.invalidation.entries = scalable ? vtd::least_wide_entries : vtd::least_entries;
  Rig rig(params);
  std::deque<FakeFunction> functions;
  std::vector<Bdf> sources;
  for (unsigned i = 0; i < number; ++i) {
    sources.emplace_back(static_cast<std::uint16_t>(0x100 + i));
    functions.emplace_back(rig.engine.agenda(), rig.unit(), sources.back());
  }
  InvalidationDriver driver(rig.engine, rig.memory, rig.unit().queue(), 50ns);
  rig.engine.spawn("submitter", Lifetime::finishes, [&] {
    driver.invalidate_and_wait(
        {.scope = Invalidation::Scope::domain_range, .domain = DomainId(2), .address = Iova(0)},
        {.functions = sources});
  });
  rig.engine.run();
  for (const FakeFunction& function : functions) CHECK(function.requests.size() == 1);
  // With the IOTLB's descriptor: one submission while all fit in half of the ring.
  const std::uint64_t half = params.iommu.invalidation.entries / 2;
  const std::uint64_t waits = number < half ? 1 : 1 + (number + half - 1) / half;
  CHECK(rig.unit().queue().stats.waits == waits);
  CHECK(rig.unit().queue().stats.descriptors == number + 1 + waits);
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
