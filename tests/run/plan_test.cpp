// Events and expectations of whole runs.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "sim/json/json.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace viosim;

namespace {

// Two devices in their own space, and one with a TLB of its own.
Scenario scenario(const std::string& events, const std::string& expect,
                  const std::string& duration = "100 us") {
  const std::string text = R"({"name": "plan", "duration": ")" + duration + R"(", "hosts": [{
    "name": "h", "iommus": [{"name": "i", "model": "vtd"}],
    "devices": [
      {"name": "d", "count": 2, "model": "dma", "iommu": "i", "link": {"latency": "500 ns"},
       "outstanding": 64, "interval": "20 ns", "traffic": {"window": "64 KiB"}},
      {"name": "a", "model": "dma", "iommu": "i", "pasid": 3, "ats": {}, "outstanding": 4,
       "interval": "50 ns", "traffic": {"window": "64 KiB"}}]}],
    "events": [)" + events +
                           R"(], "expect": [)" + expect + "]}";
  return read_scenario(parse_json(text, "plan.json"), "plan.json");
}

RunReport report_of(const std::string& events, const std::string& expect) {
  return run_scenario(scenario(events, expect), std::filesystem::path(), {});
}

Verdict verdict_of(const std::string& clause, const std::string& events = "") {
  return report_of(events, clause).verdicts.at(0);
}

std::string refusal(const std::string& events, const std::string& expect) {
  try {
    report_of(events, expect);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

// When the requests of a component were issued, in their order.
std::vector<std::int64_t> issues_of(const std::string& component, const std::string& events) {
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  run_scenario(scenario(events, ""), std::filesystem::path(), options);
  RunReader reader = RunReader::open(scratch / "run.db");
  std::vector<std::int64_t> issues;
  reader.for_each_event([&](const TraceEvent& event) {
    const bool request = event.kind == static_cast<std::uint16_t>(EventKind::translate);
    if (request && reader.components().at(event.component) == component)
      issues.push_back(event.time - event.duration);
  });
  std::sort(issues.begin(), issues.end());
  return issues;
}

std::size_t between(const std::vector<std::int64_t>& issues, Ps from, Ps to) {
  return static_cast<std::size_t>(std::count_if(issues.begin(), issues.end(), [&](std::int64_t at) {
    return at >= from.count() && at < to.count();
  }));
}

}  // namespace

TEST_CASE("a clause is judged by what the run found", "[plan]") {
  CHECK(verdict_of(R"({"metric": "h.d[*].aborted", "equals": 0})").met);
  const Verdict failed = verdict_of(R"({"metric": "h.d[*].aborted", "above": 0})");
  CHECK_FALSE(failed.met);
  CHECK(failed.expected == "h.d[*].aborted above 0");
  CHECK(failed.found == "0, of h.d[0], and 1 more");
  CHECK(failed.failing == std::vector<std::string>{"h.d[0]", "h.d[1]"});
  CHECK(verdict_of(R"({"metric": "h.d[0].dma.min", "equals": "1089 ns"})").met);
  CHECK(verdict_of(R"({"metric": "h.d[0].dma.p99.9", "at_least": "1089 ns"})").met);
  CHECK(verdict_of(R"({"metric": "h.i.iotlb.hit_rate", "above": "90 %"})").met);
  CHECK_FALSE(verdict_of(R"({"metric": "h.i.iotlb.hit_rate", "below": 0.9})").met);
}

TEST_CASE("throughput is what was completed in the time it took", "[plan]") {
  // 64 B in 20 ns: 25.6 Gb/s, but for the link and the first misses.
  CHECK(
      verdict_of(R"({"metric": "h.d[*].throughput", "equals": "25.6 Gb/s", "within": "5 %"})").met);
  CHECK(
      verdict_of(R"({"metric": "h.d[*].request_rate", "equals": "50 M/s", "within": "5 %"})").met);
}

TEST_CASE("a figure that nothing was counted for is in no bounds", "[plan]") {
  const Verdict verdict = verdict_of(R"({"metric": "h.fault.p50", "below": "1 s"})");
  CHECK_FALSE(verdict.met);
  CHECK(verdict.found == "nothing to tell it from");
  CHECK(verdict_of(R"({"metric": "h.fault.count", "equals": 0})").met);
}

TEST_CASE("what is named and is not there is refused before the run", "[plan]") {
  const auto metric = [](const std::string& name) {
    return refusal("", R"({"metric": ")" + name + R"(", "equals": 0})");
  };
  CHECK(says(metric("h.d[*].abortd"), "plan.json: /expect/0/metric: read \"h.d[*].abortd\""));
  CHECK(says(metric("h.d[*].abortd"), "did you mean \"aborted\"?"));
  CHECK(says(metric("h.d.aborted"), "did you mean \"d[*]\"?"));
  CHECK(says(metric("h.d[7].aborted"), "there are d[0] to d[1]"));
  CHECK(says(metric("g.d[0].aborted"), "the scenario has no \"g\""));
  CHECK(says(metric("h.i.iotbl.hits"), "did you mean \"iotlb\"?"));
  CHECK(says(metric("h.d[0].dma.p100"), "or a percentile such as \"dma.p99.9\""));
  CHECK(says(metric("h.i"), "expected a figure's name after the path, such as"));
  CHECK(says(refusal("", R"({"metric": "h.d[0].requests", "above": "1 us"})"),
             "/expect/0/above: read \"1 us\"; expected a number such as 100"));
  CHECK(says(refusal(R"({"at": "1 us", "stop": "h.i"})", ""),
             "/events/0/stop: read \"h.i\", which is not"));
  CHECK(says(refusal(R"({"at": "1 us", "reset": "h.d[0]"})", ""), "a device without \"ats\""));
  CHECK(says(refusal(R"({"at": "1 us", "flush": "h.d[0]"})", ""), "which is not an IOMMU"));
  CHECK(says(refusal(R"({"at": "1 us", "move_pages": "h.i", "every": "1 us"})", ""), "not a host"));
}

TEST_CASE("a stopped device issues nothing until it is started, to the picosecond", "[plan]") {
  const std::string component = GENERATE("h.d[0]", "h.a");
  const auto issues = issues_of(
      component, R"({"at": "30 us", "name": "s", "stop": ")" + component +
                     R"("}, {"after": "s", "delay": "20 us", "start": ")" + component + R"("})");
  CHECK(between(issues, 29us, 30us) > 0);
  CHECK(between(issues, 30us, 50us) == 0);
  CHECK(between(issues, 50us, 50us + Ps(1)) == 1);
  CHECK(between(issues, 99us, 100us) > 0);
  CHECK(between(issues, 100us, 200us) == 0);
}

TEST_CASE("a device goes on when it is started within its link's latency", "[plan]") {
  // The link takes 500 ns: requests of before the stop are still on it.
  const auto issues = issues_of("h.d[0]", R"({"at": "30 us", "stop": "h.d[0]"},
                                             {"at": "30100 ns", "start": "h.d[0]"})");
  const auto undisturbed = issues_of("h.d[0]", "");
  CHECK(between(issues, 0us, 30us) == between(undisturbed, 0us, 30us));
  CHECK(between(issues, 30us, 30100ns) == 0);
  CHECK(between(issues, 30100ns, 30200ns) == 5);
}

TEST_CASE("events of another device leave a device's requests alone", "[plan]") {
  CHECK(issues_of("h.d[1]", R"({"at": "30 us", "stop": "h.a"})").size() > 4000);
}

TEST_CASE("another pace begins after the first request that follows", "[plan]") {
  const auto issues =
      issues_of("h.d[0]", R"({"at": "50 us", "pace": "h.d[0]", "interval": "1 us"})");
  const auto first = std::lower_bound(issues.begin(), issues.end(), Ps(50us).count());
  REQUIRE(issues.end() - first > 40);
  CHECK(*first < Ps(50us + 20ns).count());
  for (auto at = first; at + 1 != issues.end(); ++at) CHECK(at[1] - at[0] == Ps(1us).count());
  CHECK(between(issues, 49us, 50us) == 50);
}

TEST_CASE("a condition starts an event at the first look at which it holds", "[plan]") {
  const RunReport report = report_of(
      R"({"when": {"metric": "h.d[*].requests", "at_least": 1000}, "look_every": "3 us", "name": "x",
          "stop": "h.d[*]"})",
      R"({"metric": "h.d[*].requests", "at_least": 1000, "at_most": 1200})");
  CHECK(report.verdicts.size() == 1);
  CHECK(all_met(report.verdicts));
  const std::int64_t arrival = Ps(500ns).count() + std::max(issues_of("h.d[0]", "").at(999),
                                                            issues_of("h.d[1]", "").at(999));
  const std::int64_t look = (arrival / Ps(3us).count() + 1) * Ps(3us).count();
  CHECK(says(to_text(report.json), R"({"name": "x", "at_ps": )" + std::to_string(look) + "}"));
}

TEST_CASE("an event that does not happen is not as expected", "[plan]") {
  const RunReport report = report_of(
      R"({"when": {"metric": "h.d[0].faults", "above": 0}, "name": "x", "stop": "h.d[0]"})", "");
  REQUIRE(report.verdicts.size() == 1);
  CHECK(report.verdicts[0].expected == "event x happens");
  CHECK_FALSE(report.verdicts[0].met);
  CHECK(says(to_text(report.json), R"("as_expected": false)"));
}

TEST_CASE("conditions do not keep a run from ending", "[plan]") {
  const RunReport report =
      report_of(R"({"when": {"metric": "h.d[0].faults", "above": 0}, "stop": "h.d[0]"})", "");
  CHECK(report.facts.simulated < 110us);
}

TEST_CASE("a reset loses what is in flight, and a start brings the device back", "[plan]") {
  const RunReport report = report_of(
      R"({"at": "20 us", "name": "r", "reset": "h.a"}, {"after": "r", "delay": "10 us", "start": "h.a"})",
      R"({"metric": "h.a.dropped", "at_least": 1, "at_most": 4},
         {"metric": "h.a.device_tlb.invalidations", "at_least": 0})");
  CHECK(all_met(report.verdicts));
  const auto issues = issues_of(
      "h.a",
      R"({"at": "20 us", "name": "r", "reset": "h.a"}, {"after": "r", "delay": "10 us", "start": "h.a"})");
  CHECK(between(issues, 20us, 30us) == 0);
  CHECK(between(issues, 30us, 31us) > 0);
}

TEST_CASE("a flush empties the IOTLB once", "[plan]") {
  const auto invalidated = [](const std::string& events) {
    return verdict_of(R"({"metric": "h.i.iotlb.invalidations", "at_least": 0})", events)
        .least.value();
  };
  CHECK(invalidated("") == 0);
  CHECK(invalidated(R"({"at": "50 us", "flush": "h.i"})") >= 32);
}

// Each move takes half a microsecond, and more where a device TLB is told.
TEST_CASE("page moves begin, change and end with events", "[plan]") {
  const auto moved = [](const std::string& events) {
    return verdict_of(R"({"metric": "h.pages_migrated", "at_least": 0})", events).least.value();
  };
  CHECK(moved("") == 0);
  CHECK(moved(R"({"at": "10 us", "move_pages": "h", "every": "10 us"})") == 8);
  CHECK(moved(R"({"at": "10 us", "move_pages": "h", "every": "10 us"},
                 {"at": "35 us", "move_pages": "h", "every": "0 ps"})") == 2);
  CHECK(moved(R"({"at": "10 us", "move_pages": "h", "every": "10 us"},
                 {"at": "35 us", "move_pages": "h", "every": "5 us"})") == 12);
}

TEST_CASE("what events do is in the trace", "[plan]") {
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  run_scenario(scenario(R"({"at": "1 us", "flush": "h.i"}, {"at": "2 us", "stop": "h.d[*]"})",
                        R"({"metric": "h.i.faults", "above": 0})"),
               std::filesystem::path(), options);
  RunReader reader = RunReader::open(scratch / "run.db");
  std::vector<std::string> acts;
  reader.for_each_event([&](const TraceEvent& event) {
    if (event.kind != static_cast<std::uint16_t>(EventKind::action)) return;
    acts.push_back(std::to_string(event.value) + ' ' + reader.components().at(event.component) +
                   ' ' + format_time(Ps(event.time - event.duration)));
  });
  CHECK(acts == std::vector<std::string>{"0 h.i 1 us", "1 h.d[0] 2 us", "1 h.d[1] 2 us"});
  REQUIRE(reader.expectations().size() == 1);
  CHECK(reader.expectations()[0] == ExpectationRow{"h.i.faults above 0", "0", false});
}

TEST_CASE("a run that should fail and fails is as expected", "[plan]") {
  const std::string late =
      R"({"at": "9000 s", "stop": "h.d[0]"}, {"when": {"metric": "h.d[0].requests",
      "above": 0}, "delay": "9007 s", "name": "x", "start": "h.d[0]"},
      {"after": "x", "delay": "9007 s", "stop": "h.d[0]"})";
  const RunReport report =
      report_of(late, R"({"failure": "time-limit", "says": "sleep"}, {"failure": "stuck"})");
  CHECK(report.verdicts.at(0).met);
  CHECK_FALSE(report.verdicts.at(1).met);
  CHECK(says(report.verdicts.at(1).found, "time-limit: "));
  CHECK_THROWS_AS(report_of(late, ""), ConfigError);
}

TEST_CASE("a run that should fail and does not is not as expected", "[plan]") {
  const Verdict verdict = verdict_of(R"({"failure": "stuck"})");
  CHECK_FALSE(verdict.met);
  CHECK(verdict.found == "the run came to its end");
}

TEST_CASE("hosts of a count are alike and have indices", "[plan]") {
  Scenario two = scenario("", R"({"metric": "h[*].d[*].requests", "above": 0})");
  two.hosts[0].count = 2;
  const RunReport report = run_scenario(two, std::filesystem::path(), {});
  CHECK(all_met(report.verdicts));
  CHECK(std::count(report.components.begin(), report.components.end(), "h[1].d[1]") == 1);
}

TEST_CASE("a plan is checked without a run", "[plan]") {
  CHECK_NOTHROW(check_plan(scenario(R"({"at": "1 us", "stop": "h.a"})", ""), {}));
  CHECK_THROWS_AS(check_plan(scenario(R"({"at": "1 us", "stop": "h.b"})", ""), {}), ConfigError);
}
