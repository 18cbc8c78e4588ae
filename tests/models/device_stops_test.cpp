// Devices that software stops, starts and paces while their requests are still on the link: against a
// plain simulation, with windows of any length, and with a translation cache.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/function_rig.hpp"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Ps link_latency = 200ns;
constexpr Ps begin = 100us;  // the context is cached by then

struct Change {
  enum class What : std::uint8_t { stop, start, pace };
  Ps at{0};
  What what = What::stop;
  Ps interval{0};
};

struct Plan {
  Ps interval{0};
  std::uint32_t outstanding = 1;
  std::uint64_t requests = 0;
  std::vector<Change> changes;  // in the order of time
};

// Most changes follow each other within a link's latency, some at one instant.
Plan draw_plan(std::uint64_t seed) {
  Rng rng(seed, "changes");
  const auto time = [&](std::uint64_t most) {
    return Ps(static_cast<std::int64_t>(rng.below(most + 1)) * 5'000);
  };
  Plan plan;
  plan.interval = 5ns + time(20);
  plan.outstanding = static_cast<std::uint32_t>(1 + rng.below(16));
  plan.requests = 200;
  Ps at = begin + time(100);
  for (std::uint64_t i = 5 + rng.below(40); i > 0; --i) {
    plan.changes.push_back({at, Change::What(rng.below(3)), 5ns + time(40)});
    at += rng.below(4) == 0 ? time(400) : time(20);
  }
  plan.changes.push_back({at + 1ms, Change::What::stop, Ps(0)});
  return plan;
}

struct Deeds {
  std::vector<Ps> issues;
  std::vector<Ps> stops;  // when software was told
};

// What happens to a device all of whose requests hit. Software comes first at each instant.
Deeds plain_deeds(const Plan& plan, Ps trip) {
  Deeds deeds;
  std::vector<Ps> back;
  Ps next = begin;
  Ps interval = plan.interval;
  bool running = true;
  Ps to_tell = Ps::max();
  for (const Change& change : plan.changes) {
    while (running && back.size() < plan.requests) {
      Ps at = next;
      if (back.size() >= plan.outstanding) at = std::max(at, back[back.size() - plan.outstanding]);
      if (at >= change.at) break;
      deeds.issues.push_back(at);
      back.push_back(at + trip);
      next = at + interval;
    }
    if (to_tell < change.at) deeds.stops.push_back(std::exchange(to_tell, Ps::max()));
    switch (change.what) {
      case Change::What::stop:
        if (running) to_tell = std::max(change.at, back.empty() ? Ps(0) : back.back());
        running = false;
        break;
      case Change::What::start:
        if (running) break;
        to_tell = Ps::max();
        next = std::max(next, change.at);
        running = true;
        break;
      case Change::What::pace:
        interval = change.interval;
    }
  }
  if (to_tell != Ps::max()) deeds.stops.push_back(to_tell);
  return deeds;
}

// The first sends a request by which the context is cached, the second follows the plan.
class StopRig {
 public:
  StopRig(const Plan& plan, Pasid pasid) : plan_(plan), note_(rig.rig.engine) {
    WorkQueues& first = rig.add(0, {1, 2ns});
    rig.run_at(Ps(0), [&first] {
      QueueWork work;
      work.dma = one_per_page(1, 1);
      first.enable(0, work);
    });
    const DeviceFunction config = rig.config(0, {}, {link_latency});
    DmaFabric::Device device;
    device.path = "device";
    device.iommu = config.iommu;
    device.source = config.source;
    device.pasid = pasid;
    device.link = config.link;
    device.dma = one_per_page(64, plan.requests);
    device.dma.traffic.pattern = Pattern::uniform;
    device.dma.outstanding = plan.outstanding;
    device.dma.interval = plan.interval;
    device.memory_latency = config.memory_latency;
    device.start = Instant(begin);
    device.until = Instant::latest();
    device.number = 2;
    device.component = 1;
    device_ = rig.rig.fabric().add(device);
    rig.rig.engine.spawn("driver", Lifetime::finishes, [this] { drive(); });
  }
  FunctionRig rig;

  Deeds run() {
    rig.run();
    Deeds deeds{{}, note_.times};
    for (const Ended& ended : rig.ended.all)
      if (ended.at - ended.took >= begin) deeds.issues.push_back(ended.at - ended.took);
    std::sort(deeds.issues.begin(), deeds.issues.end());
    return deeds;
  }

 private:
  void drive() {
    DmaFabric& fabric = rig.rig.fabric();
    for (const Change& change : plan_.changes) {
      rig.rig.engine.sleep_until(Instant(change.at));
      if (change.what == Change::What::stop) fabric.stop(device_, &note_);
      if (change.what == Change::What::start) fabric.start(device_);
      if (change.what == Change::What::pace) fabric.set_interval(device_, change.interval);
    }
  }

  const Plan& plan_;
  StopNote note_;
  std::uint32_t device_ = 0;
};

}  // namespace

TEST_CASE(
    "a device stopped, started and paced within a link's latency issues as in a plain simulation",
    "[models][queues]") {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    const Plan plan = draw_plan(seed);
    StopRig rig(plan, no_pasid);
    rig.rig.pass_through(0);
    const Ps trip = rig.rig.rig.iommu().hit_latency() + rig.rig.memory_latency + 2 * link_latency;
    const Deeds expected = plain_deeds(plan, trip);
    const Deeds deeds = rig.run();
    REQUIRE(deeds.issues == expected.issues);
    REQUIRE(deeds.stops == expected.stops);
  }
}

TEST_CASE(
    "what a device had on the link when it was stopped or paced arrives in windows of any length",
    "[models][queues]") {
  std::uint64_t walks = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const Plan plan = draw_plan(seed);
    const auto deeds = [&](Ps windows) {
      StopRig rig(plan, Pasid(1));
      rig.rig.rig.fabric().limit_windows(windows);
      rig.rig.attach(0, Pasid(1), rig.rig.space(0));
      Deeds done = rig.run();
      return std::tuple(done.issues, done.stops, rig.rig.rig.iommu().stats.walks);
    };
    const auto usual = deeds(1ms);
    CHECK((usual == deeds(Ps(1))));
    walks += std::get<2>(usual);
  }
  CHECK(walks > 2000);
}

TEST_CASE("another pace begins behind what is on the link", "[models][queues]") {
  Plan plan;
  plan.interval = 50ns;
  plan.outstanding = 64;
  plan.requests = 8;
  plan.changes = {{begin + 120ns, Change::What::pace, 300ns}};
  StopRig rig(plan, no_pasid);
  rig.rig.pass_through(0);
  std::vector<Ps> after;
  for (const Ps issue : rig.run().issues) after.push_back(issue - begin);
  // The one at 150 ns was due already, and leaves as much as is wanted now.
  CHECK(after == std::vector<Ps>{Ps(0), 50ns, 100ns, 150ns, 450ns, 750ns, 1050ns, 1350ns});
}

TEST_CASE(
    "a queue stopped and enabled again within a link's latency leaves the others' requests alone",
    "[models][queues]") {
  FunctionRig rig;
  rig.pass_through(0);
  WorkQueues& function = rig.add(0, {3, 2ns}, {link_latency});
  const auto work = [](std::uint64_t queue, Ps interval, QueueListener* listener) {
    QueueWork it;
    it.base = Iova(queue << 20U);
    it.dma = one_per_page(1, 0);
    it.dma.outstanding = 64;
    it.dma.interval = interval;
    it.listener = listener;
    return it;
  };
  StopNote first(rig.rig.engine);
  StopNote second(rig.rig.engine);
  StopNote other(rig.rig.engine);
  rig.run_at(Ps(0), [&] {
    QueueWork once = work(2, 1ns, nullptr);
    once.dma.requests = 1;
    function.enable(2, once);
  });
  rig.run_at(begin, [&] {
    function.enable(1, work(1, 30ns, &other));
    function.enable(0, work(0, 1us, &first));
    function.stop_queue(0, false);
    CHECK(function.queue_state(0) == QueueState::stopping);
  });
  rig.run_at(begin + 50ns, [&] {
    CHECK(function.queue_state(0) == QueueState::disabled);
    function.enable(0, work(0, 40ns, &second));
  });
  rig.run_at(begin + 100ns, [&] { function.stop_queue(0, false); });
  rig.run_at(begin + 140ns, [&] { function.stop_queue(1, false); });
  rig.run();
  std::vector<Ps> issues[2];
  for (const Ended& ended : rig.ended.all)
    if (ended.iova >> 20U < 2) issues[ended.iova >> 20U].push_back(ended.at - ended.took - begin);
  // Both may issue at 90 ns, and the last turn was queue 1's.
  CHECK(issues[0] == std::vector<Ps>{50ns, 90ns});
  CHECK(issues[1] == std::vector<Ps>{Ps(0), 30ns, 60ns, 92ns, 122ns});
  const Ps trip = rig.rig.iommu().hit_latency() + rig.memory_latency + 2 * link_latency;
  CHECK(first.times == std::vector<Ps>{begin});
  CHECK(second.times == std::vector<Ps>{begin + 90ns + trip});
  CHECK(other.times == std::vector<Ps>{begin + 122ns + trip});
}

namespace {

struct StoppedAt final : StopListener {
  explicit StoppedAt(Engine& of) : engine(&of) {}
  void stopped(Bdf /*source*/) override { times.push_back(engine->now().since_start()); }
  Engine* engine;
  std::vector<Ps> times;
};

}  // namespace

TEST_CASE(
    "a function with a TLB stopped, started and stopped within a link's latency is stopped once",
    "[models][ats][queues]") {
  AtsRig rig;
  rig.attach(rig.source(), rig.rig.new_space(Iova(0), 64_KiB, Hpa(1 << 30U)));
  DmaParams dma = one_per_page(1, 0);
  dma.outstanding = 64;
  dma.interval = 100ns;
  AtsDevice& device = rig.add(dma, {.link = {1us}});
  StoppedAt told(rig.rig.engine);
  device.listen(told);
  const auto at = [&](Ps time, auto act) {
    rig.rig.engine.spawn("driver", Lifetime::finishes, [&rig, time, act] {
      rig.rig.engine.sleep_until(Instant(time));
      act();
    });
  };
  at(250ns, [&] { device.stop(false); });
  at(450ns, [&] { device.start(); });
  at(750ns, [&] { device.stop(false); });
  rig.run();
  std::vector<Ps> issues;
  for (const Ended& ended : rig.ended.all) issues.push_back(ended.at - ended.took);
  std::sort(issues.begin(), issues.end());
  CHECK(issues == std::vector<Ps>{Ps(0), 100ns, 200ns, 450ns, 550ns, 650ns});
  CHECK(told.times == std::vector<Ps>{rig.ended.all.back().at});
  CHECK(device.state() == AtsDevice::State::stopped);
}
