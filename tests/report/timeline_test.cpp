// What one pass through a trace counts, on traces made by hand.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/timeline.hpp"

#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

// Components of the run, by number.
enum Component : std::uint32_t { dmar, acc, pasids, vfio, queue };

TraceEvent with_code(TraceEvent event, std::uint16_t code) {
  event.code = code;
  return event;
}

// {"end": ...} of a run with these events. Its end is 8192 ps, of bins of 2 ps, unless an event is later.
Value timeline(std::vector<TraceEvent> events, const std::vector<ViolationRow>& violations = {}) {
  const Scratch scratch;
  MadeRun run(scratch / "run.db");
  for (const char* path : {"host0.dmar0", "host0.acc[0]", "host0.kernel.pasids", "host0.vm.vfio",
                           "host0.dmar0.invalidation_queue"})
    run.component(path);
  for (const ViolationRow& violation : violations) run.database().add_violation(violation);
  events.push_back(event_of(EventKind::map, acc, {8192, 8192}));
  run.block(std::move(events));
  run.finish();
  RunReader reader = RunReader::open(scratch / "run.db");
  return report::timeline_json(reader);
}

std::string part(const Value& timeline, const char* name) {
  return to_text(*find(*timeline.if_object(), name));
}

std::string of_breakdown(const Value& timeline, const char* name) {
  return to_text(*find(*find(*timeline.if_object(), "breakdown")->if_object(), name));
}

}  // namespace

TEST_CASE("a run without a trace has no timeline", "[report]") {
  const Scratch scratch;
  MadeRun run(scratch / "run.db");
  run.finish();
  RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(report::timeline_json(reader).is_null());
}

TEST_CASE("PASIDs count for their owner from allocation to free", "[report]") {
  const std::uint64_t by_vfio = vfio + 1;
  const Value made = timeline(
      {event_of(EventKind::allocate, pasids, {10, 10}, 0, 0, 1),
       event_of(EventKind::allocate, pasids, {20, 20}, 0, by_vfio, 2),
       event_of(EventKind::allocate, pasids, {30, 30}, 0, by_vfio, 3),
       with_code(event_of(EventKind::free, pasids, {40, 40}, 0, by_vfio, 2), 1),  // refused
       with_code(event_of(EventKind::free, pasids, {50, 50}, 0, by_vfio, 2), trace_code::pending),
       event_of(EventKind::free, pasids, {60, 60}, 0, by_vfio, 2),
       with_code(event_of(EventKind::free, pasids, {70, 70}, 0, by_vfio, 3),
                 trace_code::orphaned)});
  CHECK(part(made, "owners") ==
        R"([{"name": "host0.kernel", "t": [10], "v": [1]}, )"
        R"({"name": "host0.kernel: host0.vm.vfio", "t": [20, 30, 60, 70], "v": [1, 2, 1, 0]}])");
}

TEST_CASE("seldom events are kept with their texts, from actions down to violations", "[report]") {
  ViolationRow violation;
  violation.invariant = "I8";
  violation.time = 40;
  violation.message = "reused";
  const Value made = timeline({event_of(EventKind::fault, dmar, {30, 30}, 0x1000, 0x100),
                               event_of(EventKind::plug, acc, {5, 5}, 0, 0x100)},
                              {violation});
  const Value::Array& marks = *find(*made.if_object(), "marks")->if_array();
  REQUIRE(marks.size() == 3);
  const auto text = [&](std::size_t i) { return to_text(marks[i]); };
  CHECK_THAT(text(0), Catch::Matchers::StartsWith(
                          R"({"kind": "plug", "count": 1, "events": [[5, "host0.acc[0] plug)"));
  CHECK_THAT(text(1),
             Catch::Matchers::Contains(R"("kind": "fault", "count": 1, "events": [[30, )"));
  CHECK(text(2) ==
        R"({"kind": "violation", "count": 1, "events": [[40, "I8 (1): reused"]], "bins": []})");
}

TEST_CASE("of too many marks the first are kept, and all are counted in bins", "[report]") {
  std::vector<TraceEvent> events;
  for (int i = 0; i < 1500; ++i) {
    const std::int64_t time = i < 1200 ? 100 : 201;
    events.push_back(event_of(EventKind::fault, dmar, {time, time}));
  }
  const Value made = timeline(std::move(events));
  const Value::Object& faults = *find(*made.if_object(), "marks")->if_array()->front().if_object();
  CHECK(find(faults, "events")->if_array()->size() == 1000);
  CHECK(to_text(*find(faults, "count")) == "1500");
  CHECK(to_text(*find(faults, "bins")) == "[[50, 1200], [100, 300]]");
}

TEST_CASE("queue depths come from durations, and from beginnings with their ends", "[report]") {
  const GroupBits one{.source = 0x100, .group = 3, .last = true, .read = true};
  const Value made = timeline(
      {event_of(EventKind::translate, acc, {10, 30}), event_of(EventKind::translate, acc, {20, 40}),
       event_of(EventKind::submit, queue, {100, 100}, 4, 9),
       event_of(EventKind::submit, queue, {110, 110}, 4, 9),
       event_of(EventKind::invalidate, queue, {120, 120}, 4, 9),
       event_of(EventKind::invalidate, queue, {130, 130}, 7, 7),  // nobody submitted it
       event_of(EventKind::page_request, acc, {200, 200}, 0, one.encode()),
       event_of(EventKind::page_request, acc, {210, 210}, 0, one.encode()),
       event_of(EventKind::group_answered, acc, {220, 220}, 0, one.encode())});
  std::map<std::string, std::string> lanes;
  for (const Value& depth : *find(*made.if_object(), "depths")->if_array())
    lanes[*find(*depth.if_object(), "title")->if_text()] =
        to_text(*find(*depth.if_object(), "lanes"));
  CHECK(lanes.size() == 3);
  CHECK(lanes["Requests in flight"] ==
        R"([{"name": "host0.acc[0]", "t": [10, 20, 30, 40], "v": [1, 2, 1, 0]}])");
  CHECK(lanes["Descriptors in invalidation queues"] ==
        R"([{"name": "host0.dmar0.invalidation_queue", "t": [100, 110, 120], "v": [1, 2, 1]}])");
  CHECK(lanes["Page groups without an answer"] ==
        R"([{"name": "host0.acc[0]", "t": [200, 220], "v": [1, 0]}])");
}

TEST_CASE("the parts of requests are summed by component, and stacked over time", "[report]") {
  const Value made =
      timeline({event_of(EventKind::look_up, dmar, {0, 7}, 0x1000, 1),
                event_of(EventKind::wait, dmar, {7, 20}, 0x1000, 1),
                event_of(EventKind::walk, dmar, {20, 50}, 0x1000, 1),
                event_of(EventKind::walk, dmar, {40, 50}, 0x2000, 2),
                event_of(EventKind::translate, acc, {0, 2}),
                with_code(event_of(EventKind::translate, acc, {0, 50}), outcome_miss),
                with_code(event_of(EventKind::translate, acc, {0, 9}), outcome_fault(5))});
  CHECK(
      of_breakdown(made, "rows") ==
      R"([{"name": "host0.dmar0", "of": "miss", "parts": {"look_up": [7, 1], "wait": [13, 1], "walk": [40, 2]}}, )"
      R"({"name": "host0.acc[0]", "answers": {"hit": [2, 1], "miss": [50, 1], "fault": [9, 1]}}])");
  CHECK(
      of_breakdown(made, "stacks") ==
      R"([{"of": "miss", "layers": [{"t": [0, 7], "v": [1, 0], "name": "look_up"}, )"
      R"({"t": [7, 20], "v": [1, 0], "name": "wait"}, {"t": [20, 40, 50], "v": [1, 2, 0], "name": "walk"}]}])");
  const std::string outcomes = of_breakdown(made, "outcomes");
  CHECK_THAT(outcomes, Catch::Matchers::StartsWith(R"({"hit": [0, 1, 0, 0)"));
}

TEST_CASE("durations that no event can have are cut at the beginning of the run", "[report]") {
  TraceEvent event = event_of(EventKind::translate, acc, {0, 30});
  event.duration = 31;
  CHECK_THAT(of_breakdown(timeline({event}), "rows"),
             Catch::Matchers::Contains(R"("hit": [30, 1])"));
}
