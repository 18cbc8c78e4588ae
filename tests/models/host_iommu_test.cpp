// Submissions of a host's kernel to its IOMMU hardware: what they take, their lock, how they end.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/host_iommu.hpp"

#include "models/cpu/workers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"
#include "tests/support/rig.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf device{1, 0, 0};

struct HostRig {
  explicit HostRig(const RigParams& params = {}, const HostIommuParams& costs = {})
      : rig(params),
        queue(rig.engine, rig.memory, rig.unit().queue(), 50ns),
        iommu(rig.engine, rig.unit(), queue, rig.memory, abilities_of(params.iommu), costs),
        cpus(rig.engine, "cpus", 4),
        workers(rig.engine, cpus, "worker", 0) {}

  Rig rig;
  InvalidationDriver queue;
  HostIommu iommu;
  Cpus cpus;
  Workers workers;
};

std::vector<vtd::Descriptor> flushes(std::size_t number) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::iotlb;
  flush.granularity = vtd::Granularity::domain;
  flush.domain = DomainId(2);
  return std::vector<vtd::Descriptor>(number, flush);
}

// What hardware takes for `n` IOTLB descriptors and a wait: doorbell, fetch, execution.
Ps hardware(std::int64_t n) { return 100ns + 80ns + (n + 1) * 5ns + n * 200ns + 100ns; }

}  // namespace

TEST_CASE("an unloaded submission takes the sum of its parts", "[kernel]") {
  HostRig host;
  host.workers.post([&](Thread& thread) {
    CHECK(host.iommu.submit(thread, flushes(1)) == Errno::ok);
    CHECK(thread.now() == Instant(2 * 10ns + 20ns + hardware(1) + 50ns));
    CHECK(host.iommu.submit(thread, flushes(3)) == Errno::ok);
  });
  host.rig.engine.run();
  const Ps one = 2 * 10ns + 20ns + hardware(1) + 50ns;
  const Ps three = 4 * 10ns + 20ns + hardware(3) + 50ns;
  CHECK(host.rig.engine.now() == Instant(one + three));
  CHECK(host.iommu.latency.max() == three);
  CHECK(host.iommu.stats.submissions == 2);
  CHECK(host.iommu.stats.descriptors == 4);
  CHECK(host.cpus.stats(0).working == one + three);  // it polls
  CHECK(host.iommu.queue_lock().stats.held == 6 * 10ns + 2 * 20ns);
}

TEST_CASE("the queue's lock is held while descriptors are written, and not while they are executed",
          "[kernel]") {
  HostIommuParams costs;
  costs.descriptor_write = 1us;
  HostRig host({}, costs);
  for (unsigned i = 0; i < 3; ++i) {
    host.workers.post(
        [&](Thread& thread) { CHECK(host.iommu.submit(thread, flushes(1)) == Errno::ok); });
  }
  host.rig.engine.run();
  const Ps written = 2us + 20ns;
  CHECK(host.iommu.queue_lock().stats.contended == 2);
  CHECK(host.iommu.queue_lock().stats.waited == written + 100ns + 2 * (written + 100ns));
  CHECK(host.rig.engine.now() == Instant(3 * written + 2 * 100ns + hardware(1) + 50ns));
}

TEST_CASE("submitters wait for room without the lock, and the ring never overflows", "[kernel]") {
  RigParams params;
  params.iommu.invalidation.entries = 128;
  HostRig host(params);
  unsigned done = 0;
  for (unsigned i = 0; i < 4; ++i) {
    host.workers.post([&](Thread& thread) {
      for (unsigned round = 0; round < 5; ++round)
        CHECK(host.iommu.submit(thread, flushes(60)) == Errno::ok);
      ++done;
    });
  }
  host.rig.engine.run();
  CHECK(done == 4);
  CHECK(host.iommu.stats.full > 0);
  CHECK(host.rig.unit().queue().stats.descriptors == 4 * 5 * 61);
}

TEST_CASE("a submission that a device does not answer is aborted, and says so", "[kernel]") {
  RigParams params;
  params.iommu.invalidation.outstanding = GENERATE(1U, 2U, 128U);
  params.iommu.invalidation.device_tlb_timeout = 10us;
  HostRig host(params);
  FakeFunction function(host.rig.engine.agenda(), host.rig.unit(), device);
  function.answers = false;
  host.workers.post([&](Thread& thread) {
    const vtd::Descriptor flush = QueueRig::device_tlb(device);
    CHECK(host.iommu.submit(thread, {&flush, 1}) == Errno::eagain);
    function.answers = true;
    CHECK(host.iommu.submit(thread, {&flush, 1}) == Errno::ok);
  });
  host.rig.engine.run();
  CHECK(host.iommu.stats.aborted == 1);
  CHECK(host.rig.unit().queue().errors() == vtd::InvalidationErrors{});
}

TEST_CASE("a descriptor that hardware does not take is replaced, those beside it are executed",
          "[kernel]") {
  HostRig host;
  host.workers.post([&](Thread& thread) {
    std::vector<vtd::Descriptor> three = flushes(3);
    three[1].granularity = vtd::Granularity::page;
    three[1].address_mask = 30;  // MAMV is 18
    CHECK(host.iommu.submit(thread, three) == Errno::einval);
    CHECK(host.iommu.submit(thread, flushes(1)) == Errno::ok);
  });
  host.workers.post(
      [&](Thread& thread) { CHECK(host.iommu.submit(thread, flushes(1)) == Errno::ok); });
  host.rig.engine.run();
  CHECK(host.rig.unit().queue().stats.errors == 1);
  CHECK(host.rig.unit().queue().stats.waits == 3 + 1);
  CHECK(host.rig.unit().queue().stats.descriptors == 2 + 1 + 1 + 4);
  CHECK(host.rig.unit().queue().errors() == vtd::InvalidationErrors{});
}
