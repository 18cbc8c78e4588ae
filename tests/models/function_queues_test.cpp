// Work queues of functions without a translation cache: turns against a plain simulation of them,
// latencies and rates against their closed forms, stops, resets, and windows of any length.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/round_robin.hpp"
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/function_rig.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr auto anybody = [](std::uint32_t) { return true; };

}  // namespace

TEST_CASE("turns go round, and nobody is passed over", "[models][queues]") {
  RoundRobin turns(200);
  CHECK(turns.earliest() == RoundRobin::never);
  for (const std::uint32_t queue : {130U, 5U, 64U, 199U}) turns.add(queue, 10);
  turns.add(70, 20);
  CHECK(turns.earliest() == 10);
  CHECK(turns.take(10, anybody) == 5);
  CHECK(turns.earliest() == 0);
  CHECK(turns.take(11, anybody) == 64);
  turns.add(5, 12);
  CHECK(turns.take(19, anybody) == 130);
  CHECK(turns.take(20, anybody) == 199);
  CHECK(turns.take(20, anybody) == 5);
  CHECK(turns.take(20, anybody) == 70);
  CHECK(turns.empty());
  turns.add(3, 30);
  turns.add(4, 40);
  turns.remove(3);
  CHECK(turns.earliest() == 40);
  turns.remove(4);
  CHECK(turns.empty());
}

TEST_CASE("a turn passes over those that may not, as if they had not been there",
          "[models][queues]") {
  RoundRobin turns(100);
  const auto not_50 = [](std::uint32_t queue) { return queue != 50; };
  turns.add(50, 0);
  CHECK(turns.take(1, not_50) == RoundRobin::nobody);
  for (const std::uint32_t queue : {20U, 60U}) turns.add(queue, 1);
  CHECK(turns.take(1, not_50) == 20);
}

TEST_CASE("turns are those of a list that is searched each time", "[models][queues]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, "turns");
    const auto queues = static_cast<std::uint32_t>(1 + rng.below(150));
    RoundRobin turns(queues);
    std::map<std::uint32_t, std::uint64_t> plain;
    std::uint32_t last = queues - 1;
    std::uint64_t now = 0;
    for (int step = 0; step < 400; ++step) {
      const auto queue = static_cast<std::uint32_t>(rng.below(queues));
      if (rng.below(10) == 0) {
        turns.remove(queue);
        plain.erase(queue);
      } else if (!plain.contains(queue) && rng.below(3) != 0) {
        plain[queue] = now + rng.below(20);
        turns.add(queue, plain[queue]);
      } else if (!plain.empty()) {
        std::uint64_t earliest = RoundRobin::never;
        for (const auto& [each, at] : plain) earliest = std::min(earliest, at);
        REQUIRE(std::max(now, turns.earliest()) == std::max(now, earliest));
        now = std::max(now, earliest);
        std::uint32_t next = last;
        do {
          next = (next + 1) % queues;
        } while (!plain.contains(next) || plain[next] > now);
        REQUIRE(turns.take(now, anybody) == next);
        plain.erase(next);
        last = next;
      }
    }
  }
}

namespace {

// A queue as it is meant, and when it is stopped.
struct Plan {
  Ps enabled{0};
  Ps stopped{0};  // 0: never
  Ps interval{0};
  std::uint32_t outstanding = 1;
  std::uint64_t requests = 0;
};

// Every issue, by looking at all queues picosecond by picosecond as far as something may happen.
std::vector<std::vector<Ps>> plain_issues(const std::vector<Plan>& plans, Ps gap, Ps trip) {
  struct State {
    std::vector<Ps> busy;
    Ps next{0};
    std::uint64_t left = 0;
  };
  std::vector<State> states(plans.size());
  for (std::size_t q = 0; q < plans.size(); ++q)
    states[q] = {{}, plans[q].enabled, plans[q].requests};
  std::vector<std::vector<Ps>> issues(plans.size());
  std::size_t last = plans.size() - 1;
  Ps now(0);
  const auto ready = [&](std::size_t q) {
    State& state = states[q];
    Ps at = state.next;
    if (state.busy.size() >= plans[q].outstanding) at = std::max(at, state.busy.front());
    const bool over = state.left == 0 || (plans[q].stopped != Ps(0) && at >= plans[q].stopped);
    return over ? Ps::max() : at;
  };
  for (;;) {
    Ps earliest = Ps::max();
    for (std::size_t q = 0; q < plans.size(); ++q) earliest = std::min(earliest, ready(q));
    if (earliest == Ps::max()) return issues;
    now = std::max(now, earliest);
    std::size_t next = last;
    std::size_t looked_at = 0;
    bool found = false;
    while (looked_at++ < plans.size() && !found) {
      next = (next + 1) % plans.size();
      found = ready(next) <= now && (plans[next].stopped == Ps(0) || now < plans[next].stopped);
    }
    if (!found) {  // those that were ready are stopped by now
      for (std::size_t q = 0; q < plans.size(); ++q)
        if (ready(q) <= now) states[q].left = 0;
      continue;
    }
    State& state = states[next];
    if (state.busy.size() >= plans[next].outstanding) state.busy.erase(state.busy.begin());
    state.busy.push_back(now + trip);
    state.next = now + plans[next].interval;
    --state.left;
    issues[next].push_back(now);
    last = next;
    now += gap;
  }
}

constexpr Iova window_of(std::size_t queue) { return Iova(std::uint64_t{queue} << 20U); }

QueueWork work_of(std::size_t queue, const Plan& plan) {
  QueueWork work;
  work.base = window_of(queue);
  work.dma.traffic.window = 64_KiB;
  work.dma.interval = plan.interval;
  work.dma.outstanding = plan.outstanding;
  work.dma.requests = plan.requests;
  return work;
}

}  // namespace

TEST_CASE("queues that only hit issue as in a plain simulation of turns, and stop exactly",
          "[models][queues]") {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    Rng rng(seed, "plans");
    FunctionRig rig;
    rig.pass_through(0);
    const Ps gap(static_cast<std::int64_t>(1 + rng.below(5)) * 1000);
    WorkQueues& function = rig.add(0, {100, gap});
    std::vector<Plan> plans(2 + rng.below(90));
    const Ps begin = 100us;  // the context is cached by then
    for (Plan& plan : plans) {
      plan.enabled = begin + Ps(static_cast<std::int64_t>(rng.below(200)) * 1000);
      plan.interval = Ps(static_cast<std::int64_t>(1 + rng.below(100)) * 1000);
      plan.outstanding = static_cast<std::uint32_t>(1 + rng.below(4));
      plan.requests = 1 + rng.below(40);
      if (rng.below(2) == 0)
        plan.stopped = plan.enabled + Ps(static_cast<std::int64_t>(rng.below(900'000)));
    }
    // The queue that warms up has the last turn, so that the first is queue 0's.
    rig.run_at(Ps(0),
               [&] { function.enable(99, work_of(99, {.interval = Ps(1), .requests = 1})); });
    std::deque<StopNote> notes;
    for (std::size_t q = 0; q < plans.size(); ++q) notes.emplace_back(rig.rig.engine);
    for (std::size_t q = 0; q < plans.size(); ++q) {
      const auto number = static_cast<std::uint32_t>(q);
      rig.run_at(plans[q].enabled, [&, q, number] {
        QueueWork work = work_of(q, plans[q]);
        work.listener = &notes[q];
        function.enable(number, work);
      });
      if (plans[q].stopped != Ps(0))
        rig.run_at(plans[q].stopped, [&, number] { function.stop_queue(number, false); });
    }
    rig.run();
    const Ps trip = rig.rig.iommu().hit_latency() + rig.memory_latency + 2 * 200ns;
    const auto expected = plain_issues(plans, gap, trip);
    std::vector<std::vector<Ps>> issues(plans.size());
    for (const Ended& ended : rig.ended.all) {
      const std::size_t queue = ended.iova >> 20U;
      if (queue < plans.size()) issues[queue].push_back(ended.at - ended.took);
    }
    for (std::size_t q = 0; q < plans.size(); ++q) {
      CAPTURE(q);
      std::sort(issues[q].begin(), issues[q].end());
      REQUIRE(issues[q] == expected[q]);
      if (plans[q].stopped == Ps(0)) continue;
      const Ps last = issues[q].empty() ? Ps(0) : issues[q].back() + trip;
      REQUIRE(notes[q].times == std::vector<Ps>{std::max(plans[q].stopped, last)});
    }
  }
}

TEST_CASE("an unloaded request of a queue takes the sum of its parts", "[models][queues]") {
  RigParams params;
  params.iommu.context_cache.latency = 1ns;
  params.iommu.pasid_cache.latency = 10ns;
  params.iommu.iotlb.latency = 100ns;
  params.iommu.walk_read = 1us;
  FunctionRig rig(params);
  rig.memory_latency = 10us;
  WorkQueues& function = rig.add(0, {2, 2ns}, {100us});
  rig.attach(0, Pasid(7), rig.space(0));
  rig.run_at(50ms, [&] {
    QueueWork work;
    work.pasid = Pasid(7);
    work.dma = one_per_page(1, 2);
    function.enable(1, work);
  });
  rig.run();
  REQUIRE(rig.ended.all.size() == 2);
  const Ps link = 100us;
  CHECK(rig.ended.all[0].at - rig.ended.all[0].took == 50ms);
  // Root, context, directory, PASID entry, then four levels.
  CHECK(rig.ended.all[0].took == link + 1ns + 8 * 1us + 10us + link);
  CHECK(rig.ended.all[1].took == link + 111ns + 10us + link);
}

TEST_CASE("queues that saturate their function share what its link carries, equally",
          "[models][queues]") {
  FunctionRig rig;
  rig.pass_through(0);
  const Ps gap = 5ns;
  WorkQueues& function = rig.add(0, {16, gap});
  const Ps begin = 10us;
  const Ps time = 100us;
  rig.run_at(Ps(0), [&] { function.enable(15, work_of(15, {.interval = Ps(1), .requests = 1})); });
  rig.run_at(begin, [&] {
    for (std::size_t q = 0; q < 8; ++q)
      function.enable(static_cast<std::uint32_t>(q),
                      work_of(q, {.interval = Ps(1), .outstanding = 64}));
  });
  rig.run_at(begin + time, [&] {
    for (std::uint32_t q = 0; q < 8; ++q) function.stop_queue(q, false);
  });
  rig.run();
  std::map<std::size_t, std::uint64_t> requests;
  Ps in_flight_time(0);
  for (const Ended& ended : rig.ended.all) {
    ++requests[ended.iova >> 20U];
    in_flight_time += ended.took;
  }
  for (std::size_t q = 0; q < 8; ++q)
    CHECK(requests[q] == static_cast<std::uint64_t>(time / gap / 8));
  // Little: requests in flight on average are the rate times the time each takes; and the link is
  // never idle although no queue by itself could fill it.
  const Ps trip = rig.rig.iommu().hit_latency() + rig.memory_latency + 2 * 200ns;
  const auto all = static_cast<std::int64_t>(rig.ended.all.size() - 1);
  CHECK(in_flight_time - rig.ended.all[0].took == all * trip);
  CHECK(rig.ended.all.back().at == begin + time - gap + trip);
}

TEST_CASE("queues that a few walkers limit get what these can do, together", "[models][queues]") {
  RigParams params;
  params.iommu.walkers = 2;
  params.iommu.iotlb.entries = 1;
  params.iommu.merge_walks = false;
  FunctionRig rig(params);
  WorkQueues& function = rig.add(0, {4, 1ns});
  for (std::uint32_t q = 0; q < 4; ++q) rig.attach(0, Pasid(q + 1), rig.space(q));
  rig.run_at(Ps(0), [&] {
    for (std::uint32_t q = 0; q < 4; ++q) {
      QueueWork work;
      work.pasid = Pasid(q + 1);
      work.dma = one_per_page(16, 1000);
      work.dma.outstanding = 4;
      work.dma.interval = Ps(1);
      function.enable(q, work);
    }
  });
  rig.run();
  CHECK(rig.ended.all.size() == 4000);
  // Two walkers, four reads of 80 ns each: one translation in 160 ns.
  const Ps steady = rig.ended.all[3900].at - rig.ended.all[1900].at;
  CHECK(std::abs((steady - 2000 * 160ns).count()) <= Ps(400ns).count());
}

TEST_CASE("a queue is enabled for another address space after it was stopped", "[models][queues]") {
  FunctionRig rig;
  WorkQueues& function = rig.add(0, {1, 2ns});
  rig.attach(0, Pasid(1), rig.space(0));
  rig.attach(0, Pasid(2), rig.space(1));
  StopNote note(rig.rig.engine);
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    for (const Pasid pasid : {Pasid(1), Pasid(2)}) {
      QueueWork work;
      work.pasid = pasid;
      work.dma = one_per_page(4, 0);
      work.dma.interval = 100ns;
      work.listener = &note;
      function.enable(0, work);
      rig.rig.engine.sleep_for(20us);
      function.stop_queue(0, false);
      CHECK(function.queue_state(0) == QueueState::stopping);
      function.stop_queue(0, false);  // once more: nothing happens
      note.signal.wait();
      CHECK(function.queue_state(0) == QueueState::disabled);
      CHECK(function.requests_in_flight() == 0);
    }
  });
  rig.run();
  REQUIRE(note.times.size() == 2);
  CHECK(function.queue_stats().enabled == 2);
  CHECK(function.queue_stats().stopped == 2);
  for (const Ended& ended : rig.ended.all) {
    const bool first = ended.at <= note.times[0];
    CHECK((ended.hpa < FunctionRig::frames_of(1).value()) == first);
  }
}

TEST_CASE("a reset of a function drops what is in flight, walks and faults included",
          "[models][queues]") {
  const bool unplugged = GENERATE(false, true);
  FunctionRig rig;
  WorkQueues& function = rig.add(0, {4, 2ns});
  rig.attach(0, Pasid(1), rig.space(0, false));  // nothing is mapped
  rig.attach(0, Pasid(2), rig.space(1));
  HeldFaults faults;
  rig.rig.fabric().set_fault_service(faults);
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    for (std::uint32_t q = 0; q < 4; ++q) {
      QueueWork work;
      work.pasid = Pasid(1 + q % 2);
      work.dma = one_per_page(16, 0);
      work.dma.on_fault = OnFault::retry;
      work.dma.interval = 10ns;
      work.dma.outstanding = 2;
      function.enable(q, work);
    }
    rig.rig.engine.sleep_for(2us);
    CHECK(faults.all.size() == 4);
    const std::uint64_t before = rig.rig.fabric().stats(0).requests;
    CHECK(before > 4);
    if (unplugged) {
      function.remove();
    } else {
      function.reset_function();
    }
    CHECK(function.present() == !unplugged);
    CHECK(function.requests_in_flight() == 0);
    CHECK(function.queue_stats().dropped == 8);
    for (const FaultedRequest& request : faults.all) rig.rig.fabric().retry(request.cookie);
    rig.rig.engine.sleep_for(10us);
    CHECK(rig.rig.fabric().stats(0).requests == before);
    if (unplugged) function.insert();
    QueueWork work;
    work.pasid = Pasid(2);
    work.dma = one_per_page(4, 4);
    function.enable(0, work);
  });
  rig.run();
  CHECK(rig.rig.fabric().stats(0).retried == 0);
  CHECK(function.queue_stats().resets == 1);
  CHECK(function.queue_stats().removals == (unplugged ? 1 : 0));
  CHECK(function.queue_state(0) == QueueState::running);
  CHECK(rig.ended.all.back().took == rig.rig.iommu().hit_latency() + rig.memory_latency + 400ns);
}

namespace {

// Nobody maps what is missing; half of the faults are tried once more in vain.
struct Refusals final : FaultService {
  Refusals(FunctionRig& of) : rig(of) {}
  void request_faulted(const FaultedRequest& request) override {
    const bool again = tried.insert(request.iova.value() >> 14U).second;
    rig.rig.engine.spawn("fault handler", Lifetime::finishes, [this, request, again] {
      rig.rig.engine.sleep_for(700ns);
      if (again) {
        rig.rig.fabric().retry(request.cookie);
      } else {
        rig.rig.fabric().abandon(request.cookie);
      }
    });
  }
  FunctionRig& rig;
  std::set<std::uint64_t> tried;
};

std::vector<std::array<std::uint64_t, 4>> events_of_one_queue(std::uint64_t seed,
                                                              bool of_function) {
  Rng rng(seed, "one queue");
  const auto time = [&](std::uint64_t most) {
    return Ps(static_cast<std::int64_t>(rng.below(most + 1)) * 5'000);
  };
  RigParams params;
  params.iommu.iotlb.entries = 1U << rng.below(7);
  params.iommu.walk_read = 5ns + time(10);
  params.iommu.fault_record = 5ns + time(10);
  params.iommu.iotlb.latency = time(20);
  FunctionRig rig(params);
  rig.memory_latency = time(40);
  Refusals refusals(rig);
  rig.rig.fabric().set_fault_service(refusals);
  PageTable& table = rig.space(0, false);
  for (std::uint64_t page = 0; page < 64; ++page)
    if (rng.below(3) != 0) table.map(Iova(page << 12U), FunctionRig::frames_of(0), 1, {true, true});
  rig.attach(0, Pasid(1), table);
  QueueWork work;
  work.pasid = Pasid(1);
  work.dma.traffic.window = FunctionRig::window;
  work.dma.outstanding = static_cast<std::uint32_t>(1 + rng.below(6));
  work.dma.interval = Ps(1) + time(10);
  work.dma.requests = 500;
  work.dma.on_fault = rng.below(2) == 0 ? OnFault::retry : OnFault::abort;
  const LinkParams link{time(20)};
  const Ps start = time(100);
  const DeviceFunction config = rig.config(0, {3, Ps(1)}, link);
  if (of_function) {
    WorkQueues& function = rig.rig.fabric().function(rig.rig.fabric().add(config));
    rig.run_at(start, [&] { function.enable(2, work); });
  } else {
    DmaFabric::Device device;
    device.path = config.path + ".queue[2].0";  // its random numbers
    device.iommu = config.iommu;
    device.source = config.source;
    device.pasid = work.pasid;
    device.link = link;
    device.dma = work.dma;
    device.memory_latency = config.memory_latency;
    device.start = Instant(start);
    device.until = Instant::latest();
    device.seed = config.seed;
    device.number = config.number;
    device.component = config.component;
    rig.rig.fabric().add(device);
  }
  rig.run();
  std::vector<std::array<std::uint64_t, 4>> events;
  for (const Ended& ended : rig.ended.all)
    events.push_back({static_cast<std::uint64_t>(ended.at.count()),
                      static_cast<std::uint64_t>(ended.took.count()), ended.iova, ended.code});
  std::sort(events.begin(), events.end());
  return events;
}

}  // namespace

TEST_CASE("a function with one queue is a device with one, request by request",
          "[models][queues]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const auto device = events_of_one_queue(seed, false);
    REQUIRE(device.size() >= 500);
    REQUIRE((events_of_one_queue(seed, true) == device));
  }
}
