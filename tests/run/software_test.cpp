// Whole runs of scenarios with accelerators, processes and guests.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace viosim;

namespace {

const std::string work =
    R"("work": {"requests": 16, "outstanding": 2, "traffic": {"window": "64 KiB", "request": "4 KiB"}})";

// `more`: keys of the scenario, with a comma before each.
Scenario scenario(const std::string& accelerators, const std::string& software,
                  const std::string& more = "") {
  const std::string text =
      R"({"name": "software", "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i")" +
      accelerators + "}], " + software + "}]" + more + "}";
  return read_scenario(parse_json(text, "software.json"), "software.json");
}

std::string processes(const std::string& more = "") {
  return R"([{"name": "p", "count": 3, "devices": ["acc"], "rounds": 2, "unmap": 2, )" + work +
         more + "}]";
}
std::string guest(const std::string& more = "") {
  return R"("guests": [{"name": "vm", "memory": "64 MiB", "viommus": [{"name": "v"}],
             "assign": [{"devices": "acc", "viommu": "v"}], "processes": )" +
         processes() + more + "}]";
}

RunReport run(const Scenario& of) { return run_scenario(of, std::filesystem::path(), {}); }

const Value* member(const Value& object, const std::string& key) {
  for (const Value::Member& found : *object.if_object()) {
    if (found.key == key) return &found.value;
  }
  return nullptr;
}
std::uint64_t metric(const RunReport& report, const std::string& name) {
  INFO(name);
  const Value* const value = member(*member(report.json, "metrics"), name);
  REQUIRE(value != nullptr);
  return std::stoull(to_text(*value));
}
bool measured(const RunReport& report, const std::string& latency) {
  return member(*member(report.json, "latencies"), latency) != nullptr;
}

}  // namespace

TEST_CASE("each part of a host's software counts", "[run][software]") {
  const RunReport report = run(scenario("", R"("processes": )" + processes()));
  for (const char* const name : {"h.p.started",
                                 "h.p.finished",
                                 "h.p.rounds",
                                 "h.p.unmaps",
                                 "h.p.faults",
                                 "h.p.mapped",
                                 "h.kernel.cpus.working",
                                 "h.kernel.cpu[0].working",
                                 "h.kernel.sva.bound",
                                 "h.kernel.sva.unbinds",
                                 "h.kernel.sva.lock.taken",
                                 "h.kernel.sva.lock.waited",
                                 "h.kernel.pasids.lock.taken",
                                 "h.kernel.pasid_mutex.taken",
                                 "h.i.driver.set_up",
                                 "h.i.driver.submissions",
                                 "h.i.driver.lock.taken",
                                 "h.i.driver.queue_lock.held",
                                 "h.i.page_requests.responses",
                                 "h.i.io_page_faults.groups",
                                 "h.i.page_request_queue.written",
                                 "h.acc.requests",
                                 "h.acc.queues.enabled",
                                 "h.acc.device_tlb.insertions",
                                 "h.acc.driver.completed"})
    CHECK(metric(report, name) > 0);
  for (const char* const name :
       {"h.p.work_failed", "h.p.failed", "h.kernel.errors", "h.kernel.pasids.live"})
    CHECK(metric(report, name) == 0);
  for (const char* const name : {"h.kernel.sva.bind", "h.kernel.sva.unbind", "h.kernel.sva.flush",
                                 "h.p.round", "h.acc.driver.work", "h.i.driver.submission",
                                 "h.i.page_requests.group", "h.i.io_page_faults.page"})
    CHECK(measured(report, name));
}

TEST_CASE("each part of a guest counts", "[run][software]") {
  const RunReport report = run(scenario("", guest(R"(, "shut_down": true)")));
  for (const char* const name : {"h.vm.booted",
                                 "h.vm.closed",
                                 "h.vm.user_exits",
                                 "h.vm.kicks",
                                 "h.vm.ioctls",
                                 "h.vm.injected",
                                 "h.vm.p.finished",
                                 "h.vm.kernel.sva.bound",
                                 "h.vm.kernel.cpus.away",
                                 "h.vm.kernel.cpu[0].away",
                                 "h.vm.kernel.pasids.lock.held",
                                 "h.vm.kernel.virtual_commands.allocated",
                                 "h.vm.kernel.virtual_commands.polls",
                                 "h.vm.vfio.bound",
                                 "h.vm.vfio.forwarded",
                                 "h.vm.vfio.answered",
                                 "h.vm.vfio.lock.taken",
                                 "h.vm.emulation_lock.taken",
                                 "h.vm.v.descriptors",
                                 "h.vm.v.bound",
                                 "h.vm.v.page_requests",
                                 "h.vm.v.command_lock.taken",
                                 "h.vm.v.driver.submissions",
                                 "h.vm.v.driver.queue_lock.waited",
                                 "h.vm.v.page_requests.responses",
                                 "h.vm.v.io_page_faults.groups",
                                 "h.vm.acc.completed",
                                 "h.kernel.sets_lock.taken"})
    CHECK(metric(report, name) > 0);
  for (const char* const name :
       {"h.vm.errors", "h.vm.panics", "h.vm.v.errors", "h.vm.p.work_failed", "h.vm.p.failed",
        "h.vm.vfio.pasids_held", "h.vm.vfio.bindings_held", "h.vm.vfio.faults_pending",
        "h.kernel.pasids.live"})
    CHECK(metric(report, name) == 0);
}

TEST_CASE("a guest shuts down only if it is to", "[run][software]") {
  const RunReport report = run(scenario("", guest()));
  CHECK(metric(report, "h.vm.p.finished") == 3);
  CHECK(metric(report, "h.vm.closed") == 0);
}

TEST_CASE("guests boot at their time, and processes start after that", "[run][software]") {
  const auto end = [](const std::string& more) {
    return run(scenario("", guest(more))).facts.simulated;
  };
  CHECK(end(R"(, "start": "3 ms")") == end("") + 3ms);
}

TEST_CASE("no process begins a round after the duration", "[run][software]") {
  const std::string many = R"([{"name": "p", "count": 3, "devices": ["acc"], "rounds": 1000000, )" +
                           work + R"(}, {"name": "late", "start": "3 ms", "devices": ["acc"]}])";
  const RunReport report = run(scenario("", R"("processes": )" + many, R"(, "duration": "2 ms")"));
  CHECK(metric(report, "h.p.finished") == 3);
  CHECK(metric(report, "h.p.rounds") > 30);
  CHECK(metric(report, "h.late.started") == 0);
  CHECK(report.text.find("h.late did nothing") != std::string::npos);
}

TEST_CASE("processes wait for the queue of a function", "[run][software]") {
  const RunReport few = run(scenario(R"(, "queues": 1)", R"("processes": )" + processes()));
  const RunReport many = run(scenario(R"(, "queues": 3)", R"("processes": )" + processes()));
  CHECK(metric(few, "h.p.finished") == 3);
  CHECK(few.facts.simulated > many.facts.simulated);
}

TEST_CASE("a shared queue serves processes of hosts and guests", "[run][software]") {
  const std::string shared = R"(, "shared_queue": {"engines": 2})";
  const RunReport host = run(scenario(shared, R"("processes": )" + processes()));
  CHECK(metric(host, "h.acc.shared_queue.done") == 6);
  CHECK(metric(host, "h.p.failed") == 0);
  const RunReport in_guest = run(scenario(shared, guest()));
  CHECK(metric(in_guest, "h.acc.shared_queue.done") == 6);
  CHECK(metric(in_guest, "h.vm.p.failed") == 0);
}

TEST_CASE("without page requests all memory is mapped at the bind", "[run][software]") {
  const RunReport report =
      run(scenario(R"(, "page_requests": false)",
                   R"("processes": [{"name": "p", "devices": ["acc"], )" + work + "}]"));
  CHECK(metric(report, "h.p.work_failed") == 0);
  CHECK(metric(report, "h.p.mapped") == 16);
  CHECK(metric(report, "h.acc.page_requests") == 0);
}

TEST_CASE("errors are counted by what they were", "[run][software]") {
  const RunReport quota = run(scenario("", guest(R"(, "vfio": {"quota": 2})")));
  CHECK(metric(quota, "h.vm.p.failed") == 1);
  CHECK(metric(quota, "h.vm.p.enomem") == 1);
  CHECK(metric(quota, "h.vm.kernel.virtual_commands.no_space") == 1);
  const RunReport width = run(scenario(R"(, "pasid_width": 1)", R"("processes": )" + processes()));
  CHECK(metric(width, "h.p.enomem") == 2);
}

TEST_CASE("a guest whose virtual commands hang panics, which has failed unless it is expected",
          "[run][software]") {
  const bool expected = GENERATE(false, true);
  const std::string software =
      R"("guests": [{"name": "vm", "memory": "64 MiB", "viommus": [{"name": "v",
          "asynchronous_commands": true, "commands_hang": true}],
          "assign": [{"devices": "acc", "viommu": "v"}], "processes": )" +
      processes() + "}]";
  const std::string clause = R"(, "expect": [{"metric": "h.vm.panics", "equals": 1}])";
  const RunReport report = run(scenario("", software, expected ? clause : ""));
  CHECK(metric(report, "h.vm.panics") == 1);
  CHECK(metric(report, "h.vm.panicked_at") > 10'000'000'000'000);
  CHECK(metric(report, "h.vm.panicked_at") < 10'001'000'000'000);
  CHECK(metric(report, "h.vm.p.finished") == 0);
  CHECK(all_met(report.verdicts) == expected);
  REQUIRE(report.verdicts.size() == 1);
  if (!expected) CHECK(report.verdicts[0].expected == "h.vm does not panic");
  CHECK(report.text.find("h.vm panicked at 10.0") != std::string::npos);
  CHECK(report.text.find(": h.vm.v did not answer a virtual command in time") != std::string::npos);
}

TEST_CASE("a guest that nobody boots has failed", "[run][software]") {
  const RunReport report = run(scenario("", guest(R"(, "boots": false)")));
  REQUIRE(report.verdicts.size() == 1);
  CHECK(report.verdicts[0].expected == "h.vm boots");
  CHECK(!report.verdicts[0].met);
  const std::string event = R"(, "events": [{"at": "1 us", "boot": "h.vm"}])";
  CHECK(run(scenario("", guest(R"(, "boots": false)"), event)).verdicts.empty());
}

TEST_CASE("an event that finds nothing to do says why", "[run][software]") {
  const std::string events = R"(, "events": [{"at": "1 us", "unplug": "h.vm.v"},
      {"at": "1 us", "shut_down": "h.vm"}, {"at": "60 us", "plug": "h.vm.v"},
      {"at": "61 us", "plug": "h.vm.acc"}, {"at": "50 ms", "kill": "h.vm"},
      {"at": "60 ms", "kill": "h.vm"}, {"at": "61 ms", "boot": "h.vm"}])";
  const RunReport report =
      run(scenario("", guest(R"(, "boots": false)"),
                   events.substr(0, events.size() - 1) + R"(, {"at": "0 us", "boot": "h.vm"}])"));
  for (const char* const why :
       {"nothing was done to h.vm.v: its guest has not booted",
        "nothing was done to h.vm: it has not booted", "nothing was done to h.vm.v: it is there",
        "nothing was done to h.vm.acc: it is there",
        "nothing was done to h.vm: its machine is gone"})
    CHECK(report.text.find(why) != std::string::npos);
}

TEST_CASE("a request after the end of simulated time is that, and nobody waits for ever",
          "[run][software]") {
  const std::string slow = R"("processes": [{"name": "p", "devices": ["acc"], "populate": true,
      "work": {"requests": 200, "interval": "100 s", "traffic": {"window": "64 KiB"}}}])";
  try {
    run(scenario("", slow));
    FAIL("it ended");
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()).find("a request of h.acc would come after") !=
          std::string::npos);
  }
}

TEST_CASE("a run whose software waits for ever has failed", "[run][software]") {
  const std::string stuck = R"(, "ats": {"misbehaviour": {"omit_last": true}})";
  const RunReport report = run(scenario(stuck, R"("processes": )" + processes()));
  REQUIRE(!all_met(report.verdicts));
  CHECK(report.verdicts.back().expected == "the run comes to its end");
  const RunReport expected = run(scenario(
      stuck, R"("processes": )" + processes(),
      R"(, "expect": [{"failure": "stuck"}, {"violation": "I11"}, {"violation": "I34"}])"));
  CHECK(all_met(expected.verdicts));
}

TEST_CASE("events boot, shut down and kill guests", "[run][software][actions]") {
  const std::string boot =
      R"(, "events": [{"name": "on", "at": "2 ms", "boot": "h.vm"}, {"after": "on", "delay": "400 us", )";
  const RunReport off = run(scenario("", guest(R"(, "boots": false)")));
  CHECK(metric(off, "h.vm.booted") == 0);
  for (const char* const end : {R"("shut_down": "h.vm"}])", R"("kill": "h.vm"}])"}) {
    const RunReport report = run(scenario("", guest(R"(, "boots": false)"), boot + end));
    CHECK(metric(report, "h.vm.booted") == 1);
    CHECK(metric(report, "h.vm.closed") == 1);
    CHECK(metric(report, "h.vm.p.started") == 3);
    CHECK(metric(report, "h.kernel.pasids.live") == 0);
  }
  CHECK_THROWS_WITH(
      run(scenario("", guest(), R"(, "events": [{"at": "2 ms", "boot": "h.vm"}])")),
      Catch::Contains("/events/0/boot: read the path of a guest that boots by itself"));
  CHECK_THROWS_WITH(run(scenario("", guest(), R"(, "events": [{"at": "2 ms", "kill": "h.acc"}])")),
                    Catch::Contains("read \"h.acc\", which is not a guest"));
}

TEST_CASE("events unplug accelerators and vIOMMUs, and plug them in", "[run][software][actions]") {
  const std::string how = GENERATE("orderly", "surprise");
  const auto events = [&](const std::string& what) {
    return R"(, "events": [{"name": "off", "at": "300 us", "unplug": ")" + what + R"(", "how": ")" +
           how + R"("}, {"after": "off", "delay": "20 ms", "plug": ")" + what + "\"}]";
  };
  const std::string rounds = R"("processes": [{"name": "p", "count": 3, "devices": ["acc"],
      "rounds": 100, )" + work +
                             R"(}, {"name": "late", "start": "40 ms", "devices": ["acc"], )" +
                             work + "}]";
  const RunReport host = run(scenario("", rounds, events("h.acc")));
  CHECK(metric(host, "h.acc.queues.removals") == 1);
  CHECK(metric(host, "h.p.finished") == 3);
  CHECK(metric(host, "h.p.rounds") < 300);
  CHECK(metric(host, "h.late.failed") == 0);
  CHECK(metric(host, "h.late.rounds") == 1);
  for (const char* const part : {"h.vm.acc", "h.vm.v"}) {
    const RunReport report =
        run(scenario("",
                     R"("guests": [{"name": "vm", "memory": "64 MiB", "viommus": [{"name": "v"}],
           "assign": [{"devices": "acc", "viommu": "v"}], )" +
                         rounds + "}]",
                     events(part)));
    INFO(part);
    CHECK(metric(report, "h.vm.unplugged") + metric(report, "h.vm.panics") >= 1);
    CHECK(metric(report, "h.vm.p.rounds") < 300);
  }
  CHECK_THROWS_WITH(run(scenario("", guest(), events("h.acc"))),
                    Catch::Contains("which is not a vIOMMU"));
}

TEST_CASE("slices are unplugged in order only, and go with the accelerator that they are of",
          "[run][software][actions]") {
  const auto with = [&](const std::string& event) {
    return scenario("",
                    R"("guests": [{"name": "vm", "memory": "64 MiB", "pasids": "guest-wide",
        "viommus": [{"name": "v", "backend": "guest-local"}],
        "assign": [{"devices": "acc", "viommu": "v", "slice": {"queues": 2}}], "processes": [{"name": "p", "count": 3, "devices": ["acc"], "rounds": 50, )" +
                        work + "}]" + "}]",
                    R"(, "events": [{"at": "300 us", "unplug": )" + event + "}]");
  };
  const RunReport report = run(with(R"("h.vm.acc")"));
  CHECK(metric(report, "h.vm.unplugged") == 1);
  CHECK(metric(report, "h.acc.queues.removals") == 0);
  CHECK(metric(report, "h.kernel.pasids.live") == 0);
  CHECK_THROWS_WITH(run(with(R"("h.vm.acc", "how": "surprise")")),
                    Catch::Contains("/events/0/how: read \"surprise\" of a slice"));
  const RunReport without =
      run(with(GENERATE(as<std::string>(), R"("h.acc")", R"("h.acc", "how": "surprise")")));
  CHECK(metric(without, "h.vm.unplugged") == 1);
  CHECK(metric(without, "h.acc.queues.removals") == 1);
  CHECK(metric(without, "h.vm.p.finished") == 3);
  CHECK(metric(without, "h.kernel.pasids.live") == 0);
}

TEST_CASE("events start processes, and kill those that run", "[run][software][actions]") {
  const bool in_guest = GENERATE(false, true);
  const std::string path = in_guest ? "h.vm.p" : "h.p";
  const auto with = [&](const std::string& starts, const std::string& events) {
    const std::string its = R"("processes": [{"name": "p", "count": 3, "devices": ["acc"], )"
                            R"("rounds": 500, "every": "10 us", )" +
                            work + starts + "}]";
    const std::string vm = R"("guests": [{"name": "vm", "memory": "64 MiB", "shut_down": true,
        "viommus": [{"name": "v"}], "assign": [{"devices": "acc", "viommu": "v"}], )" +
                           its + "}]";
    return scenario("", in_guest ? vm : its, R"(, "events": [)" + events + "]");
  };
  const std::string never = R"(, "starts": false)";
  const std::string start = R"({"at": "100 us", "start": ")" + path + R"("})";
  const std::string kill = R"({"at": "900 us", "kill": ")" + path + R"("})";
  const RunReport report = run(with(never, start + ", " + kill));
  CHECK(metric(report, path + ".started") == 3);
  CHECK(metric(report, path + ".killed") == 3);
  CHECK(metric(report, path + ".finished") == 3);
  CHECK(metric(report, path + ".work_failed") == 0);
  CHECK(metric(report, path + ".rounds") > 3);
  CHECK(metric(report, path + ".rounds") < 1500);
  CHECK(metric(report, "h.kernel.pasids.live") == 0);
  if (in_guest) CHECK(metric(report, "h.vm.closed") == 1);

  const RunReport twice = run(with(never, start + ", " + start + ", " + kill + ", " + kill));
  CHECK(twice.text.find("they have been started before") != std::string::npos);
  CHECK(twice.text.find("none of them runs") != std::string::npos);
  CHECK_THROWS_WITH(run(with("", start)), Catch::Contains("or processes with \"starts\": false"));
}

TEST_CASE("a guest counts what it has of its host by the interface that it has",
          "[run][software]") {
  const std::string modern =
      R"("guests": [{"name": "vm", "memory": "64 MiB", "pasids": "guest-wide",
      "host_interface": "iommufd", "viommus": [{"name": "v", "backend": "guest-local"}],
      "assign": [{"devices": "acc", "viommu": "v"}], "shut_down": true, "processes": )" +
      processes() + "}]";
  const RunReport report = run(scenario("", modern));
  CHECK(metric(report, "h.vm.iommufd.attached") == 4);
  CHECK(metric(report, "h.vm.iommufd.detached") == 4);
  CHECK(metric(report, "h.vm.iommufd.delivered") > 0);
  CHECK(metric(report, "h.vm.iommufd.objects_held") == 0);
  CHECK(metric(report, "h.vm.p.failed") == 0);
}

TEST_CASE("guests alike share rows where there are many", "[run][software]") {
  const std::string many =
      R"("guests": [{"name": "vm", "count": 30, "memory": "32 MiB", "viommus": [{"name": "v"}],
          "assign": [{"devices": "acc", "viommu": "v"}], "processes": )" +
      processes() + "}]";
  const std::string text = run(scenario(R"(, "count": 30)", many)).text;
  CHECK(text.find("h.vm[*] (30)") != std::string::npos);
  CHECK(text.find("h.vm[*].p (30)") != std::string::npos);
  CHECK(text.find("h.acc[*] (30)") != std::string::npos);
  CHECK(text.find("h.vm[3].p") == std::string::npos);
}

TEST_CASE("runs of software write the same bytes twice", "[run][software]") {
  const auto json = [] {
    RunReport report = run(scenario("", guest(R"(, "shut_down": true)")));
    std::erase_if(*report.json.if_object(),
                  [](const Value::Member& m) { return m.key == "wall_seconds"; });
    return to_text(report.json, Layout::indented);
  };
  CHECK(json() == json());
}
