// Device-TLB descriptors that an injection puts off or doubles, for functions that do not complete them.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"

#include <cstdint>
#include <vector>

using namespace viosim;
using namespace viosim::test;
using Log = QueueRig::Log;

namespace {

constexpr Bdf device{1, 0, 0};

struct DeviceTlbInjector final : Injector {
  Ruling ask(InjectionPoint point, std::uint32_t /*component*/, Pasid /*pasid*/,
             StepSet /*later*/) override {
    return point == InjectionPoint(Message::device_tlb) ? ruling : Ruling{};
  }
  Ruling ruling;
};

struct Kinds final : TraceObserver {
  void observe(const TraceEvent& event) override {
    if (event.value == 0) return;
    kinds.push_back(static_cast<EventKind>(event.kind));
    codes.push_back(event.code);
  }
  bool wants_requests() const override { return false; }
  std::vector<EventKind> kinds;
  std::vector<std::uint16_t> codes;
};

struct FateRig {
  explicit FateRig(Fate fate) {
    injector.ruling.fate = fate;
    injector.ruling.by = 1us;
    function.answers = false;
    queue.queue().injection.connect(injector, 0);
    tracer.start(kinds);
    queue.queue().trace_to(tracer, 0);
  }
  static vtd::UnitParams params() {
    vtd::UnitParams params;
    params.invalidation.device_tlb_timeout = 1us;
    return params;
  }

  QueueRig queue{params()};
  FakeFunction function{queue.agenda, queue.unit, device};
  DeviceTlbInjector injector;
  Tracer tracer;
  Kinds kinds;
};

}  // namespace

TEST_CASE("a descriptor that is executed late times out as others do", "[models][queue][inject]") {
  FateRig rig(Fate::delay);
  rig.queue.put(rig.queue.device_tlb(device));
  rig.queue.put_wait(1);
  rig.queue.submit();
  rig.queue.run();
  // Taken for executed at 195 ns; sent a microsecond later.
  CHECK(rig.queue.log ==
        Log{"195 ns 1 done", "295 ns status 1", "295 ns 2 done", "2195 ns ITE 01:00.0"});
  CHECK(rig.kinds.kinds == std::vector{EventKind::invalidate, EventKind::timed_out});
  CHECK(rig.queue.queue().errors().timeout);
  CHECK(rig.queue.queue().devices().stats.timeouts == 1);
}

TEST_CASE("of a descriptor that is executed twice, both requests time out",
          "[models][queue][inject]") {
  FateRig rig(Fate::duplicate);
  rig.queue.put(rig.queue.device_tlb(device));
  rig.queue.submit();
  rig.queue.run();
  CHECK(rig.queue.log == Log{"1190 ns ITE 01:00.0", "1190 ns 1 done", "1190 ns ITE 01:00.0"});
  CHECK(rig.kinds.kinds == std::vector{EventKind::timed_out, EventKind::timed_out});
}

TEST_CASE("a descriptor that is executed behind the next one times out as others do",
          "[models][queue][inject]") {
  FateRig rig(Fate::reorder);
  rig.queue.put(rig.queue.device_tlb(device));
  rig.queue.put(rig.queue.iotlb());
  rig.queue.submit();
  rig.queue.run();
  CHECK(rig.queue.log == Log{"195 ns 1 done", "395 ns 2 done", "1395 ns ITE 01:00.0"});
  CHECK(rig.kinds.kinds == std::vector{EventKind::invalidate, EventKind::timed_out});
}
