// Whole runs held against the invariants: while they go on, and from their traces.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"
#include "sim/json/json.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace viosim;

namespace {

// Processes, of the host or of a guest, that unmap pages which their accelerator goes on using.
Scenario scenario(const std::string& misbehaviour, bool in_guest = false,
                  const std::string& expect = "") {
  const std::string processes =
      R"([{"name": "p", "count": 2, "devices": ["acc"], "rounds": 4, "unmap": 4, "pause": "5 us",
           "work": {"requests": 64, "outstanding": 2,
                    "traffic": {"window": "64 KiB", "request": "4 KiB"}}}])";
  const std::string guest = R"("guests": [{"name": "vm", "memory": "64 MiB", "shut_down": true,
       "viommus": [{"name": "v"}], "assign": [{"devices": "acc", "viommu": "v"}], "processes": )" +
                            processes + "}]";
  const std::string text =
      R"({"name": "checks", "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i",
                       "ats": {"misbehaviour": {)" +
      misbehaviour + "}}}], " + (in_guest ? guest : R"("processes": )" + processes) + "}]" +
      expect + "}";
  return read_scenario(parse_json(text, "checks.json"), "checks.json");
}

const std::string keeps = R"("keep_invalidated": true)";

std::set<std::string> names(const std::vector<check::Violation>& violations) {
  std::set<std::string> all;
  for (const check::Violation& one : violations) all.insert(check::name_of(one.invariant));
  return all;
}

RunReport run(const Scenario& of, const RunOptions& options = {}) {
  return run_scenario(of, std::filesystem::path(), options);
}

}  // namespace

// On a host with one processor the answers to a guest that took too long wait for it, and the guest's vIOMMU vanishes
// meanwhile: its unbinds answer what waits, before their numbers are free.
TEST_CASE("what a guest has not answered in time is answered before its PASID is free", "[check]") {
  const std::string work = R"("work": {"requests": 64, "outstanding": 16,
                              "traffic": {"window": "128 KiB", "request": "4 KiB"}})";
  for (int at = 150; at < 190; at += 2) {
    INFO("v vanishes at " << at << " us");
    const std::string text =
        R"({"name": "late", "hosts": [{"name": "h", "software": {"cpus": 1},
            "iommus": [{"name": "i", "model": "vtd"}],
            "devices": [{"name": "acc", "count": 2, "model": "accelerator", "iommu": "i"}],
            "guests": [{"name": "vm", "memory": "64 MiB", "pasids": "guest-wide", "shut_down": true,
                        "vfio": {"fault_limit": "60 us"},
                        "viommus": [{"name": "v", "backend": "guest-local"}],
                        "assign": [{"devices": "acc[0]", "viommu": "v"}],
                        "processes": [{"name": "a", "devices": ["acc"], "backing": "swap", )" +
        work + R"(}]}],
            "processes": [{"name": "n", "count": 8, "devices": ["acc[1]"], "rounds": 10, "unmap": 4,
                           "every": "10 us", )" +
        work + R"(}]}],
            "events": [{"at": ")" +
        std::to_string(at) + R"( us", "unplug": "h.vm.v", "how": "surprise"}]})";
    const RunReport report = run(read_scenario(parse_json(text, "f"), "f"));
    CHECK(names(report.violations) == std::set<std::string>{"I15"});
  }
}

// Devices of model dma beside processes of which some unmap: the checks look at the answers to all of them.
TEST_CASE("devices with PASIDs of their own violate nothing beside processes", "[check]") {
  const std::string dma = GENERATE(
      R"("pasid": 1, "populate": false, "ats": {}, "pri": {}, "requests": 40)",
      R"("pasid": 17, "count": 4, "outstanding": 8, "interval": "20 ns", "traffic": {"window": "128 KiB"})",
      R"("count": 4, "outstanding": 8, "interval": "20 ns", "traffic": {"window": "128 KiB"})");
  const std::string text =
      R"({"name": "mixed", "duration": "300 us", "hosts": [{"name": "h", "kernel": {"migrate_every": "10 us"},
          "iommus": [{"name": "i", "model": "vtd"}, {"name": "j", "model": "vtd", "iotlb": {"entries": 64, "ways": 4}}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i"},
                      {"name": "d", "model": "dma", "iommu": "j", )" +
      dma + R"(}],
          "processes": [{"name": "p", "count": 3, "devices": ["acc"], "rounds": 2, "unmap": 4, "every": "20 us",
                         "start": "5 us",
                         "work": {"requests": 16, "traffic": {"window": "64 KiB", "request": "4 KiB"}}}]}]})";
  const RunReport report = run(read_scenario(parse_json(text, "f"), "f"));
  CHECK(names(report.violations).empty());
  CHECK(all_met(report.verdicts));
}

TEST_CASE("a run in which all is right violates nothing, on a host and in a guest", "[check]") {
  const bool in_guest = GENERATE(false, true);
  const RunReport report = run(scenario("", in_guest));
  CHECK(report.violations.empty());
  CHECK(all_met(report.verdicts));
}

TEST_CASE("a device that keeps what it was told to forget uses what is not mapped", "[check]") {
  const bool in_guest = GENERATE(false, true);
  const RunReport report = run(scenario(keeps, in_guest));
  CHECK(names(report.violations) == std::set<std::string>{"I28"});
  CHECK(!all_met(report.verdicts));
  CHECK(report.text.find("violations of invariants") != std::string::npos);
  CHECK(*find(*report.json.if_object(), "violations_found")->whole() == report.violations.size());
  const Value* const counts = find(*report.json.if_object(), "violations_by_invariant");
  REQUIRE(counts != nullptr);
  CHECK(*find(*counts->if_object(), "I28")->whole() == report.violations.size());
  // The first stands for all.
  const std::size_t told = report.text.find("\n  I28");
  CHECK(told != std::string::npos);
  CHECK(report.text.find("\n  I28", told + 1) == std::string::npos);
}

TEST_CASE("an unmapping of more pages than one event can name is looked at whole", "[check]") {
  const RunReport report =
      run(read_scenario(parse_json(
                            R"({"name": "many", "injections": [{"misbehave": "keep_invalidated"}],
              "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i", "ats": {"entries": 65536}}],
          "processes": [{"name": "p", "devices": ["acc"], "rounds": 2, "unmap": 131072, "pause": "5 us",
                         "work": {"requests": 6000, "outstanding": 4,
                                  "traffic": {"window": "512 MiB", "request": "4 KiB", "pattern": "uniform"}}}]}]})",
                            "f"),
                        "f"));
  constexpr std::uint64_t beyond = 0x7f00'0000'0000 + (std::uint64_t{0xffff} << 12U);
  REQUIRE(names(report.violations) == std::set<std::string>{"I28"});
  CHECK(
      std::any_of(report.violations.begin(), report.violations.end(),
                  [](const check::Violation& one) { return one.chain.back().address >= beyond; }));
}

TEST_CASE("a violation that is expected is no failure, and one that does not come is", "[check]") {
  const std::string expect = R"(, "expect": [{"violation": "I28"}])";
  CHECK(all_met(run(scenario(keeps, false, expect)).verdicts));
  CHECK(!all_met(run(scenario("", false, expect)).verdicts));
}

TEST_CASE("an invariant that nobody checks cannot be expected", "[check]") {
  CHECK_THROWS_AS(scenario("", false, R"(, "expect": [{"violation": "I99"}])"), ConfigError);
}

TEST_CASE("a bound that no ratio can reach cannot be expected", "[check]") {
  const auto expecting = [](const std::string& bound) {
    run(scenario("", false, R"(, "expect": [{"metric": "h.i.iotlb.hit_rate", )" + bound + "}]"));
  };
  const std::string never = GENERATE(as<std::string>(), R"("above": 2)", R"("above": "100 %")",
                                     R"("equals": 1.5)", R"("at_most": "250 %")");
  CHECK_THROWS_WITH(expecting(never), Catch::Contains("which no ratio exceeds"));
}

TEST_CASE("without checks nothing is found", "[check]") {
  RunOptions options;
  options.checks = false;
  const Scratch scratch;
  options.out = scratch.path();
  CHECK(run(scenario(keeps), options).violations.empty());
  CHECK(RunReader::open(scratch / "run.db").manifest().more.at("checks") == "off");
}

TEST_CASE("the trace of a run gives the violations that the run gave, and the database has them",
          "[check]") {
  const std::string wrong = GENERATE(std::string(), keeps, std::string(R"("never_answer": true)"));
  const bool in_guest = GENERATE(false, true);
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  const RunReport report = run(scenario(wrong, in_guest), options);
  RunReader reader = RunReader::open(scratch / "run.db");
  check::Checker checker(reader.components());
  reader.for_each_event([&](const TraceEvent& event) { checker.observe(event); });
  checker.finish();
  CHECK((checker.violations() == report.violations));
  REQUIRE(reader.violations().size() == report.violations.size());
  for (std::size_t i = 0; i < report.violations.size(); ++i) {
    CHECK(reader.violations()[i].message == report.violations[i].message);
    CHECK(reader.violations()[i].events.size() == report.violations[i].chain.size());
  }
  CHECK(reader.violation_counts() == checker.counts());
  CHECK(reader.manifest().more.at("checks") == "on");
}

TEST_CASE("violations beyond those that are kept are counted in the database", "[check]") {
  Scenario many = scenario(keeps);
  many.hosts.at(0).processes.at(0).params.rounds = 400;
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  options.trace = TraceMode::off;
  const RunReport report = run(many, options);
  const auto found =
      static_cast<std::uint64_t>(*find(*report.json.if_object(), "violations_found")->whole());
  REQUIRE(found > check::Scene::most_violations);
  const RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(reader.violations().size() < found);
  CHECK(reader.violation_counts() == std::map<std::string, std::uint64_t>{{"I28", found}});
}

TEST_CASE("who listens changes nothing that is simulated", "[check]") {
  const bool in_guest = GENERATE(false, true);
  const auto figures = [in_guest](const RunOptions& options) {
    Value json = run(scenario("", in_guest), options).json;
    std::erase_if(*json.if_object(), [](const Value::Member& member) {
      return member.key == "wall_seconds" || member.key == "database" ||
             member.key == "trace_events" || member.key == "traced";
    });
    return to_text(json, Layout::indented);
  };
  RunOptions silent;
  silent.checks = false;
  const Scratch scratch;
  RunOptions all;
  all.out = scratch.path();
  CHECK(figures(silent) == figures({}));
  CHECK(figures(silent) == figures(all));
}

TEST_CASE("a run finds the same with its trace on and off", "[check]") {
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  options.trace = GENERATE(TraceMode::full, TraceMode::off);
  CHECK((run(scenario(keeps), options).violations == run(scenario(keeps)).violations));
}
