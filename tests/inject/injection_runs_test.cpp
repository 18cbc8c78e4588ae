// Each kind of injection in a whole run: what it does there, which without it does not happen.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <set>
#include <string>

using namespace viosim;

namespace {

const std::string processes =
    R"([{"name": "app", "count": 6, "devices": ["acc"], "every": "150 us", "rounds": 2, "unmap": 4,
         "pause": "5 us",
         "work": {"requests": 64, "outstanding": 2,
                  "traffic": {"window": "64 KiB", "request": "4 KiB"}}}])";

// One accelerator, of the host's processes or of a guest's.
Scenario scenario(bool in_guest, const std::string& injections, const std::string& more = "") {
  const std::string guest = R"("guests": [{"name": "vm", "memory": "64 MiB", "shut_down": true,
       "viommus": [{"name": "v0", "asynchronous_commands": true}],
       "assign": [{"devices": "acc", "viommu": "v0"}], "processes": )" +
                            processes + "}]";
  const std::string text = R"({"name": "inject", "injections": [)" + injections +
                           R"(], "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i"}], )" +
                           (in_guest ? guest : R"("processes": )" + processes) + "}]" + more + "}";
  return read_scenario(parse_json(text, "f"), "f");
}

RunReport run(const Scenario& of, const RunOptions& options = {}) {
  return run_scenario(of, std::filesystem::path(), options);
}

std::set<std::string> violated(const RunReport& report) {
  std::set<std::string> all;
  for (const check::Violation& one : report.violations) all.insert(check::name_of(one.invariant));
  return all;
}

bool stuck(const RunReport& report) {
  return std::any_of(report.verdicts.begin(), report.verdicts.end(),
                     [](const Verdict& verdict) { return verdict.found.starts_with("stuck"); });
}

// Of each injection, in the order of the scenario.
std::vector<std::int64_t> fired(const RunReport& report) {
  std::vector<std::int64_t> all;
  const Value* const injections = find(*report.json.if_object(), "injections");
  for (const Value& one : *injections->if_array())
    all.push_back(static_cast<std::int64_t>(*find(*one.if_object(), "fired")->whole()));
  return all;
}

using Names = std::set<std::string>;

struct Case {
  bool in_guest;
  std::string injections;
  Names violated;
  bool stuck = false;
};

}  // namespace

TEST_CASE("I13 holds for a host without processes, and is found where its overflow is not handled",
          "[inject]") {
  const bool skipped = GENERATE(false, true);
  const std::string injections = skipped ? R"("injections": [{"skip": "overflow.discard_incomplete",
                                   "where": "h.i.page_request_queue"}], )"
                                         : "";
  // Groups enough to use each index several times, of a function that asks for more than there is
  // room for, and entries that come while others are being taken.
  const std::string text = R"({"name": "simple", )" + injections + R"("hosts": [{"name": "h",
      "kernel": {"page_request_read": "500 ns", "fault_interrupt": "1 us", "fault_handling": "100 ns"},
      "iommus": [{"name": "i", "model": "vtd", "page_requests": {"entries": 128}}],
      "devices": [{"name": "d", "model": "dma", "iommu": "i", "pasid": 7, "populate": false,
        "requests": 1500, "outstanding": 32, "ats": {}, "pri": {"credits": 512, "group_pages": 7},
        "traffic": {"window": "1 GiB", "request": "4 KiB", "direction": "write"}}]}]})";
  const RunReport report = run(read_scenario(parse_json(text, "f"), "f"));
  CHECK(violated(report) == (skipped ? Names{"I13"} : Names{}));
  const Value* const metrics = find(*report.json.if_object(), "metrics");
  const auto count = [&](const char* name) {
    return static_cast<std::int64_t>(
        *find(*metrics->if_object(), std::string("h.i.page_request_queue.") + name)->whole());
  };
  CHECK(count("overflows") > 10);
  CHECK((count("partial_dropped") > 10) == !skipped);
}

TEST_CASE("an injection that can never happen in a scenario is refused", "[inject]") {
  const auto refused = [](bool in_guest, const std::string& injection) {
    try {
      run(scenario(in_guest, injection));
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(refused(false, R"({"drop": "pasid-iotlb", "where": "h.acc"})"),
             Catch::Matchers::Contains(
                 "/injections/0/where: read \"h.acc\", which has no such point; expected a "
                 "component that has it, such as \"h.i.invalidation_queue\""));
  CHECK_THAT(refused(false, R"({"misbehave": "never_answer", "where": "h.i"})"),
             Catch::Matchers::Contains("such as \"h.acc\""));
  CHECK_THAT(refused(false, R"({"drop": "fault-event"})"),
             Catch::Matchers::Contains("/injections/0: read \"drop fault-event\"; expected what "
                                       "can happen in this scenario"));
  CHECK(refused(true, R"({"drop": "fault-event"})").empty());
  // What is part of a component counts as it.
  CHECK(refused(false, R"({"drop": "pasid-iotlb", "where": "h"})").empty());
}

TEST_CASE("without an injection nothing is violated, and all comes to its end", "[inject]") {
  const bool in_guest = GENERATE(false, true);
  const RunReport report = run(scenario(in_guest, ""));
  CHECK(violated(report).empty());
  CHECK(all_met(report.verdicts));
  CHECK(report.text.find("injections") == std::string::npos);
}

TEST_CASE("injections of every sort break what they are for", "[inject]") {
  const Case each = GENERATE(
      // Descriptors, to hardware and to a hypervisor.
      Case{false, R"({"delay": "pasid-cache", "by": "300 us", "nth": 3})", {"I26", "I8"}},
      Case{false, R"({"reorder": "pasid-cache", "nth": 3})", {"I27"}},
      Case{false, R"({"duplicate": "page-response", "nth": 3})", {"I10"}},
      Case{false, R"({"drop": "page-response", "nth": 3})", {"I11", "I34"}, true},
      Case{true, R"({"drop": "iotlb", "where": "h.i", "nth": 3})", {"I26"}},
      Case{true, R"({"delay": "iotlb", "by": "300 us", "where": "h.i", "nth": 3})", {"I26"}},
      Case{true, R"({"reorder": "iotlb", "where": "h.i", "nth": 3})", {"I27"}},
      // Page requests and their interrupt.
      Case{false, R"({"drop": "page-request", "nth": 3})", {"I11", "I34"}, true},
      Case{false, R"({"duplicate": "page-request", "nth": 3})", {"I10"}},
      Case{false, R"({"drop": "page-request-interrupt", "nth": 3})", {"I11", "I34"}, true},
      // Notices.
      Case{false, R"({"drop": "unmap-notice"})", {"I26", "I28"}},
      // Steps of orders, and of other flows.
      Case{false, R"({"skip": "tear_down.flush_iotlb_of_entry"})", {"I26"}},
      Case{false, R"({"skip": "unmap_first.flush_iotlb_pages"})", {"I26", "I28"}},
      Case{false,
           R"({"swap": "tear_down.flush_iotlb_of_entry", "with": "tear_down.flush_device_tlb"})",
           {"I27"}},
      Case{false, R"({"skip": "unbind.tear_down", "nth": 6})", {"I26", "I7"}},
      Case{true, R"({"skip": "guest_unbind.tear_down", "nth": 6})", {"I26", "I7"}},
      // Two guests' vCPUs write a command at once, and nobody looks.
      Case{true,
           R"({"duplicate": "command", "nth": 1}, {"skip": "virtual_command.check_in_progress"})",
           {"I18"}},
      // Functions.
      Case{false, R"({"misbehave": "keep_invalidated", "count": 100})", {"I28"}},
      Case{false, R"({"misbehave": "reuse_group", "count": 8})", {"I10", "I12"}},
      // Allocators.
      Case{false, R"({"allocate": "below-range", "nth": 2})", {"I2", "I23"}},
      Case{false, R"({"allocate": "above-range", "nth": 2})", {"I2", "I24"}});
  INFO(each.injections);
  const RunReport report = run(scenario(each.in_guest, each.injections));
  CHECK(violated(report) == each.violated);
  CHECK(stuck(report) == each.stuck);
  for (const std::int64_t times : fired(report)) CHECK(times > 0);
}

namespace {

struct FigureCase {
  bool in_guest;
  std::string injection;
  std::string clause;  // that is met with it, and not without
};

}  // namespace

TEST_CASE("injections of every sort change what can be measured", "[inject]") {
  const FigureCase each = GENERATE(
      // Messages that come late, twice or behind the next.
      FigureCase{false, R"({"delay": "page-response", "by": "300 us", "nth": 3})",
                 R"("h.acc.page.max", "at_least": "300 us")"},
      FigureCase{false, R"({"delay": "page-request", "by": "300 us", "nth": 3})",
                 R"("h.acc.page.max", "at_least": "300 us")"},
      FigureCase{false, R"({"reorder": "page-request", "nth": 3})",
                 R"("h.acc.page.max", "above": "15 us")"},
      FigureCase{false, R"({"delay": "page-request-interrupt", "by": "300 us", "nth": 3})",
                 R"("h.acc.page.max", "at_least": "300 us")"},
      FigureCase{false, R"({"duplicate": "page-request-interrupt"})",
                 R"("h.i.page_requests.passes", "above": 150)"},
      FigureCase{false, R"({"delay": "wait", "by": "300 us", "nth": 60})",
                 R"("h.kernel.sva.unbind.max", "above": "100 us")"},
      FigureCase{true, R"({"delay": "wait", "by": "300 us", "where": "h.vm.v0", "nth": 6})",
                 R"("h.vm.kernel.sva.bind.max", "above": "200 us")"},
      FigureCase{false, R"({"drop": "wait", "nth": 3})", R"("h.app.finished", "equals": 0)"},
      FigureCase{false, R"({"delay": "unmap-notice", "by": "300 us"})",
                 R"("h.kernel.sva.flush.max", "at_least": "300 us")"},
      FigureCase{true, R"({"duplicate": "page-response", "where": "h.vm.v0", "nth": 2})",
                 R"("h.vm.v0.responses_refused", "equals": 1)"},
      FigureCase{true, R"({"delay": "pasid-cache", "by": "300 us", "where": "h.vm.v0", "nth": 2})",
                 R"("h.vm.v0.bound", "below": 6)"},
      FigureCase{true, R"({"drop": "pasid-cache", "where": "h.vm.v0", "nth": 2})",
                 R"("h.vm.v0.bound", "below": 6)"},
      // Completions of invalidations that do not come are time-outs.
      FigureCase{false, R"({"delay": "invalidation-completion", "by": "300 us"})",
                 R"("h.kernel.sva.flush.max", "at_least": "300 us")"},
      FigureCase{false, R"({"drop": "invalidation-completion", "nth": 3})",
                 R"("h.i.driver.resubmitted", "equals": 1)"},
      FigureCase{false, R"({"reorder": "invalidation-completion", "nth": 3})",
                 R"("h.i.driver.resubmitted", "equals": 1)"},
      FigureCase{false, R"({"misbehave": "never_answer", "nth": 3})",
                 R"("h.i.driver.resubmitted", "equals": 1)"},
      // Virtual commands, and events to the hypervisor.
      FigureCase{true, R"({"delay": "command", "by": "300 us", "nth": 3})",
                 R"("h.vm.kernel.sva.bind.max", "at_least": "300 us")"},
      FigureCase{true, R"({"drop": "command", "nth": 2})", R"("h.vm.vfio.allocated", "below": 6)"},
      FigureCase{true, R"({"delay": "command-completion", "by": "300 us", "nth": 3})",
                 R"("h.vm.kernel.sva.bind.max", "at_least": "300 us")"},
      FigureCase{true, R"({"drop": "command-completion", "nth": 2})",
                 R"("h.vm.panics", "equals": 1)"},
      FigureCase{true, R"({"delay": "fault-event", "by": "300 us", "nth": 2})",
                 R"("h.acc.page.max", "at_least": "300 us")"},
      FigureCase{true, R"({"drop": "fault-event", "nth": 2})",
                 R"("h.vm.vfio.timed_out", "at_least": 1)"},
      FigureCase{true, R"({"duplicate": "fault-event"})", R"("h.vm.eventfds", "above": 150)"},
      // Steps whose absence does no harm where all else is right.
      FigureCase{false, R"({"skip": "unbind.drain"})", R"("h.i.driver.drains", "equals": 0)"},
      FigureCase{true, R"({"skip": "guest_unbind.drain"})", R"("h.i.driver.drains", "equals": 0)"},
      // Acts.
      FigureCase{true, R"({"kill": "h.vm", "on": "page-request", "nth": 20})",
                 R"("h.vm.app.finished", "equals": 0)"},
      FigureCase{true, R"({"vanish": "h.vm.v0", "on": "page-request", "nth": 20})",
                 R"("h.vm.unplugged", "equals": 1)"},
      FigureCase{true, R"({"vanish": "h.vm.acc", "on": "tear_down.clear_present", "nth": 2})",
                 R"("h.vm.unplugged", "equals": 1)"},
      FigureCase{false, R"({"vanish": "h.acc", "on": "page-request", "nth": 20})",
                 R"("h.acc.queues.removals", "equals": 1)"});
  INFO(each.injection << " with " << each.clause);
  const std::string expect = R"(, "expect": [{"metric": )" + each.clause + "}]";
  const auto met = [&](const std::string& injections) {
    return run(scenario(each.in_guest, injections, expect)).verdicts.at(0).met;
  };
  CHECK(met(each.injection));
  CHECK_FALSE(met(""));
}

TEST_CASE("a host's unbinding loses its steps by iommufd, too", "[inject]") {
  const auto never_drained = [](const std::string& injections) {
    Scenario of = scenario(true, injections, R"(, "expect": [{"metric":
        "h.i.driver.drains", "equals": 0}])");
    GuestConfig& guest = of.hosts[0].guests[0];
    guest.params.host_interface = HostInterface::iommufd;
    guest.params.pasids = PasidScope::guest_wide;
    guest.viommus[0].backend = PasidBackend::guest_local;
    return run(of).verdicts.at(0).met;
  };
  CHECK_FALSE(never_drained(""));
  CHECK(never_drained(R"({"skip": "guest_unbind.drain"})"));
}

TEST_CASE("processes that exit first are not told of by a lost notice", "[inject]") {
  const auto released = [](const std::string& injections) {
    Scenario of = scenario(false, injections, R"(, "expect": [{"metric":
        "h.kernel.sva.released", "equals": 6}])");
    of.hosts[0].processes[0].params.end = ProcessEnd::exit_first;
    return run(of).verdicts.at(0).met;
  };
  CHECK(released(""));
  CHECK_FALSE(released(R"({"drop": "exit-notice", "nth": 2})"));
  CHECK_FALSE(released(R"({"skip": "exit.tear_down", "nth": 2})"));
}

TEST_CASE("a vIOMMU is ejected with what is bound behind it, and with its command", "[inject]") {
  const auto met = [](const std::string& injections, const std::string& clause) {
    return run(scenario(true, injections, R"(, "expect": [{"metric": )" + clause + "}]"))
        .verdicts.at(0)
        .met;
  };
  const std::string bound = R"({"vanish": "h.vm.v0", "on": "page-request", "nth": 5})";
  const std::string kept = R"("h.vm.v0.unbound", "equals": 0)";
  CHECK_FALSE(met(bound, kept));
  CHECK(met(bound + R"(, {"skip": "eject.unbind"})", kept));
  const std::string asked = R"({"vanish": "h.vm.v0", "on": "command", "nth": 1},
                               {"delay": "command-completion", "by": "100 us"})";
  // Whoever completes it is too late, and gives the PASID back.
  const std::string late = R"("h.vm.vfio.freed", "equals": 1)";
  CHECK_FALSE(met(asked, late));
  CHECK(met(asked + R"(, {"skip": "eject.complete_command"})", late));
}

TEST_CASE("the same scenario gives the same bytes, injections included", "[inject]") {
  const std::string injections =
      R"({"drop": "pasid-devtlb", "probability": 0.3}, {"delay": "page-response", "by": "20 us",
          "probability": 0.2}, {"misbehave": "keep_invalidated", "count": 2})";
  const auto figures = [&](std::uint64_t seed) {
    Scenario of = scenario(false, injections);
    of.seed = seed;
    Value json = run(of).json;
    std::erase_if(*json.if_object(),
                  [](const Value::Member& member) { return member.key == "wall_seconds"; });
    return to_text(json, Layout::indented);
  };
  CHECK(figures(1) == figures(1));
  CHECK(figures(1) != figures(2));
}

TEST_CASE("the chance of an injection leaves all other chance as it is", "[inject]") {
  // One that can fire nowhere draws all the same.
  const auto figures = [](const std::string& injections) {
    Value json = run(scenario(false, injections)).json;
    std::erase_if(*json.if_object(), [](const Value::Member& member) {
      return member.key == "wall_seconds" || member.key == "injections" ||
             member.key == "trace_events";
    });
    return to_text(json, Layout::indented);
  };
  CHECK(figures("") == figures(R"({"duplicate": "page-response", "probability": 1e-12})"));
}

TEST_CASE("what fired is in the trace, in the summary and in its JSON", "[inject]") {
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  const RunReport report = run(scenario(false, R"({"drop": "page-response", "nth": 99999},
                             {"duplicate": "page-response", "nth": 3, "count": 2})"),
                               options);
  CHECK(report.text.find("NEVER  drop page-response: it never fired") != std::string::npos);
  CHECK(report.text.find("2  duplicate page-response (of ") != std::string::npos);
  CHECK(fired(report) == std::vector<std::int64_t>{0, 2});
  RunReader reader = RunReader::open(scratch / "run.db");
  std::vector<TraceEvent> told;
  reader.for_each_event([&](const TraceEvent& event) {
    if (static_cast<EventKind>(event.kind) == EventKind::injection) told.push_back(event);
  });
  REQUIRE(told.size() == 2);
  CHECK(told[0].value == 1);
  CHECK(told[0].code == static_cast<std::uint16_t>(Fate::duplicate));
  CHECK(told[0].pasid == 1);
  CHECK(reader.components().at(told[0].component) == "h.i.invalidation_queue");
}

TEST_CASE("an injection where nothing is, is refused with what there is", "[inject]") {
  const auto refusal = [](const std::string& injections) -> std::string {
    try {
      run(scenario(false, injections));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  const std::string text = refusal(R"({"drop": "wait", "where": "h.j"})");
  INFO(text);
  CHECK(text.find("/injections/0/where") != std::string::npos);
  CHECK(text.find("\"h.j\"") != std::string::npos);
  CHECK(refusal(R"({"kill": "h.acc", "on": "wait"})").find("/injections/0/kill") !=
        std::string::npos);
  CHECK(refusal(R"({"vanish": "h.i", "on": "wait"})").find("/injections/0/vanish") !=
        std::string::npos);
}

TEST_CASE(
    "a domain that is given back while an entry has it violates, and is no fault of the program",
    "[inject]") {
  const auto by_iommufd = [](const std::string& injection) {
    const std::string text = R"({"name": "inject", "injections": [)" + injection + R"(],
        "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i"}],
          "guests": [{"name": "vm", "memory": "64 MiB", "shut_down": true,
            "host_interface": "iommufd", "pasids": "guest-wide",
            "viommus": [{"name": "v0", "backend": "guest-local"}],
            "assign": [{"devices": "acc", "viommu": "v0"}], "processes": )" +
                             processes + "}]}]}";
    return violated(run(read_scenario(parse_json(text, "f"), "f")));
  };
  CHECK(by_iommufd("").empty());
  CHECK(by_iommufd(R"({"skip": "guest_unbind.tear_down"})").contains("I7"));
  CHECK(by_iommufd(R"({"swap": "set_up.write_fields", "with": "set_up.set_present"})")
            .contains("I25"));
}

TEST_CASE(
    "a host without processes or guests is stuck by an injection, and no fault of the program",
    "[inject]") {
  const std::string text = R"({"name": "inject", "injections": [{"drop": "wait"}],
      "duration": "100 us",
      "hosts": [{"name": "h", "kernel": {"migrate_every": "20 us"},
        "iommus": [{"name": "i", "model": "vtd"}],
        "devices": [{"name": "acc", "model": "dma", "iommu": "i", "pasid": 5,
          "traffic": {"window": "64 KiB", "request": "256 B"}, "interval": "100 ns"}]}]})";
  CHECK(stuck(run(read_scenario(parse_json(text, "f"), "f"))));
}
