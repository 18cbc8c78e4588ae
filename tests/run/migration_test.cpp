// Scenarios in which guests move from host to host: what may be written, what is refused, what is counted.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace viosim;

namespace {

struct Parts {
  std::string links = R"({"name": "net", "between": ["a", "b"]})";
  std::string event = R"("migrate": "a.vm", "to": "b", "assign": ["acc[1]"])";
  std::string pasids = "guest-wide";
  std::string there = R"("count": 2)";  // of its accelerators
  std::string more;                     // of the other host
  std::string interface = "vfio";
  std::string events_after;
  std::string guest = R"("name": "vm", "shut_down": true)";
  std::string assigned = "acc[0]";
  std::string portal;  // of all accelerators
  std::string beside;  // the events
};

std::string host(const std::string& name, const std::string& accelerators,
                 const std::string& more) {
  return R"({"name": ")" + name + R"(", "iommus": [{"name": "i", "model": "vtd"}],
      "devices": [{"name": "acc", "model": "accelerator", "iommu": "i", )" +
         accelerators + "}]" + more + "}";
}

Scenario scenario(const Parts& parts) {
  const std::string backend = parts.pasids == "guest-wide" ? "guest-local" : "virtual-command";
  const std::string guest = R"(, "guests": [{)" + parts.guest +
                            R"(, "memory": "32 MiB", "pasids": ")" + parts.pasids +
                            R"(", "viommus": [{"name": "v", "backend": ")" + backend +
                            R"("}], "assign": [{"devices": ")" + parts.assigned +
                            R"(", "viommu": "v"}], "host_interface": ")" + parts.interface +
                            R"(",
      "processes": [{"name": "p", "count": 2, "devices": ["acc"], "rounds": 1500, "work": {"requests": 16,
      "outstanding": 2, "traffic": {"window": "64 KiB", "request": "4 KiB"}}}]}])";
  const std::string text = R"({"name": "moves", "hosts": [)" +
                           host("a", R"("count": 2)" + parts.portal, guest) + "," +
                           host("b", parts.there + parts.portal, parts.more) + R"(], "links": [)" +
                           parts.links + R"(], "events": [{"at": "1 ms", )" + parts.event + "}" +
                           parts.events_after + "]" + parts.beside + "}";
  return read_scenario(parse_json(text, "f"), "f");
}

RunReport run(const Parts& parts) {
  return run_scenario(scenario(parts), std::filesystem::path(), {});
}

// What reading it, or building it, says is wrong.
std::string refusal(const Parts& parts) {
  try {
    check_plan(scenario(parts), {});
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

std::uint64_t metric(const RunReport& report, const std::string& name) {
  INFO(name);
  for (const Value::Member& all : *report.json.if_object()) {
    if (all.key != "metrics") continue;
    for (const Value::Member& found : *all.value.if_object())
      if (found.key == name) return std::stoull(to_text(found.value));
  }
  FAIL("there is no such metric");
  return 0;
}

}  // namespace

TEST_CASE("an event moves a guest, and its results say how", "[run][migration]") {
  const std::string pasids = GENERATE("guest-wide", "system-wide");
  Parts parts;
  parts.pasids = pasids;
  const RunReport report = run(parts);
  CHECK(metric(report, "a.vm.migration.moved") == 1);
  CHECK(metric(report, "a.vm.migration.stayed") == 0);
  CHECK(metric(report, "a.vm.migration.rebinds") == 2);
  CHECK(metric(report, "a.vm.migration.kept_pasids") == (pasids == "system-wide" ? 2 : 0));
  CHECK(metric(report, "a.vm.migration.bytes") == metric(report, "net.forth.bytes"));
  CHECK(metric(report, "net.back.bytes") == 0);
  CHECK(metric(report, "a.vm.p.finished") == 2);
  CHECK(metric(report, "a.vm.p.work_failed") == 0);
  CHECK(metric(report, "b.acc[1].requests") > 0);
  CHECK(metric(report, "a.vm.closed") == 1);
  CHECK(metric(report, "a.vm.vfio.pasids_held") == 0);
  for (const char* const name : {"a.kernel.pasids.live", "b.kernel.pasids.live"})
    CHECK(metric(report, name) == 0);
  CHECK(report.text.find("downtime") != std::string::npos);
  const RunReport again = run(parts);
  for (const char* const name :
       {"a.vm.migration.total", "a.vm.migration.downtime", "a.vm.user_exits"})
    CHECK(metric(report, name) == metric(again, name));
}

TEST_CASE("the summary says why a guest stayed", "[run][migration]") {
  Parts parts;
  parts.pasids = "system-wide";
  parts.more = R"(, "processes": [{"name": "own", "devices": ["acc[0]"], "rounds": 3000,
      "work": {"requests": 16, "traffic": {"window": "64 KiB", "request": "4 KiB"}}}])";
  const RunReport report = run(parts);
  CHECK(metric(report, "a.vm.migration.moved") == 0);
  CHECK(metric(report, "a.vm.migration.pasid_taken") == 1);
  CHECK(metric(report, "a.vm.migration.taken_pasid") == 1);
  CHECK(metric(report, "a.vm.p.finished") == 2);
  CHECK(metric(report, "a.vm.p.work_failed") == 0);
  CHECK_THAT(report.text, Catch::Contains("a.vm did not move to b at 1 ms") &&
                              Catch::Contains("(pasid-taken, PASID 1)"));
}

TEST_CASE("a guest moves to a host once", "[run][migration]") {
  Parts parts;
  parts.events_after = R"(, {"at": "200 ms", "migrate": "a.vm", "to": "b", "assign": ["acc[0]"]})";
  const RunReport report = run(parts);
  CHECK(metric(report, "a.vm.migration.migrations") == 2);
  CHECK(metric(report, "a.vm.migration.moved") == 1);
  CHECK(metric(report, "a.vm.migration.not_running") +
            metric(report, "a.vm.migration.there_already") ==
        1);
  // With the event.
  CHECK_THAT(report.text,
             Catch::Contains("nothing was done to a.vm: it had not booted, or was gone") ||
                 Catch::Contains("nothing was done to a.vm: it lives on that host"));
}

TEST_CASE("migrations that cannot be are named with their place", "[run][migration]") {
  using Catch::Contains;
  Parts parts;
  const auto event = [&](const std::string& text) {
    Parts other = parts;
    other.event = text;
    return refusal(other);
  };
  CHECK(refusal(parts).empty());
  CHECK_THAT(event(R"("migrate": "a.vmm", "to": "b", "assign": ["acc[1]"])"),
             Contains("/events/0/migrate") && Contains("did you mean \"vm\"?"));
  CHECK_THAT(event(R"("migrate": "a.acc[0]", "to": "b", "assign": ["acc[1]"])"),
             Contains("/events/0/migrate") && Contains("expected the path of a guest"));
  CHECK_THAT(event(R"("migrate": "a.vm", "to": "a.vm", "assign": ["acc[1]"])"),
             Contains("/events/0/to") && Contains("expected the path of a host"));
  CHECK_THAT(event(R"("migrate": "a.vm", "to": "b", "assign": ["axx[1]"])"),
             Contains("/events/0/assign/0") && Contains("did you mean \"acc\"?"));
  CHECK_THAT(event(R"("migrate": "a.vm", "to": "b")"),
             Contains("/events/0/assign") && Contains("read 0 accelerators; expected 1"));
  CHECK_THAT(event(R"("migrate": "a.vm", "to": "b", "assign": ["acc[*]"])"),
             Contains("read 2 accelerators; expected 1"));
  CHECK_THAT(event(R"("migrate": "a.vm", "to": "b", "assign": ["acc[0]", "acc[0]"])"),
             Contains("/events/0/assign/1") && Contains("expected each accelerator once"));
  parts.there = R"("count": 2, "page_requests": false)";
  CHECK_THAT(refusal(parts), Contains("/events/0/assign/0") && Contains("whose place it takes"));
  parts.there = R"("count": 2)";
  parts.links = "";
  CHECK_THAT(refusal(parts), Contains("/events/0/to") && Contains("no link of \"links\" leads to"));
}

TEST_CASE("links connect two hosts each", "[run][migration]") {
  using Catch::Contains;
  const auto links = [](const std::string& text) {
    Parts parts;
    parts.links = text;
    return refusal(parts);
  };
  CHECK_THAT(links(R"({"name": "net", "between": ["a", "bb"]})"),
             Contains("/links/0/between/1") && Contains("did you mean \"b\"?"));
  CHECK_THAT(links(R"({"name": "net", "between": ["a"]})"),
             Contains("/links/0/between") && Contains("expected a list of texts, 2 of them"));
  CHECK_THAT(links(R"({"name": "net", "between": ["a", "a"]})"),
             Contains("/links/0/between") && Contains("twice"));
  CHECK_THAT(links(R"({"name": "a", "between": ["a", "b"]})"), Contains("/links/0/name"));
  CHECK_THAT(links(R"({"name": "m", "between": ["a", "b"]}, {"name": "n", "between": ["b", "a"]})"),
             Contains("/links/1/between") && Contains("another link connects"));
  CHECK_THAT(links(R"({"name": "net", "between": ["a", "b"], "bandwidth": "0 B/s"})"),
             Contains("/links/0/bandwidth"));
  CHECK_THAT(links(R"({"name": "net", "between": ["a", "b"], "bandwidth": "1 Tbit/s"})"),
             Contains("/links/0/bandwidth") && Contains("unknown unit"));
}

TEST_CASE("a function that the other host has not got to give stays who has it",
          "[run][migration]") {
  const std::string interface = GENERATE("vfio", "iommufd");
  Parts parts;
  parts.interface = interface;
  parts.event = R"("migrate": "a.vm", "to": "b", "assign": ["acc[0]"])";
  parts.more =
      R"(, "guests": [{"name": "has", "memory": "32 MiB", "pasids": "guest-wide", "host_interface": ")" +
      interface + R"(", "viommus": [{"name": "v", "backend": "guest-local"}],
      "assign": [{"devices": "acc", "viommu": "v"}], "processes": [{"name": "p", "devices": ["acc"]}]}])";
  const RunReport report = run(parts);
  CHECK(metric(report, "a.vm.migration.stayed") == 1);
  CHECK(metric(report, "b.has.p.finished") == 1);
  CHECK(report.violations.empty());
}

TEST_CASE("processors translate PASIDs into those of the host on which they are",
          "[run][migration]") {
  Parts parts;
  parts.portal = R"(, "shared_queue": {"engines": 2})";
  CHECK(run(parts).violations.empty());
  const auto losing = [&](const std::string& where) {
    Parts lost = parts;
    lost.beside = R"(, "injections": [{"drop": "unbind-notice", "where": ")" + where + R"("}])";
    return run(lost);
  };
  const RunReport there = losing("a.vm.pasid_translation[b]");
  REQUIRE(!there.violations.empty());
  CHECK(there.violations.front().invariant == check::Invariant::cpu_translation);
  CHECK(there.components[there.violations.front().component] == "b.kernel.pasids");
}

TEST_CASE("guests may be called as parts of guests are", "[run][migration]") {
  Parts parts;
  parts.interface = GENERATE("vfio", "iommufd");
  const std::string name = GENERATE("vfio", "iommufd");
  parts.guest = R"("name": ")" + name + R"(", "count": 2, "shut_down": true)";
  parts.assigned = "acc";
  parts.event = R"("migrate": "a.)" + name + R"([0]", "to": "b", "assign": ["acc[1]"])";
  const RunReport report = run(parts);
  CHECK(metric(report, "a." + name + "[0].migration.moved") == 1);
  CHECK(report.violations.empty());
}

TEST_CASE("a function is one guest's, also while it is not plugged in", "[run][migration]") {
  Parts parts;
  parts.interface = GENERATE("vfio", "iommufd");
  parts.guest = R"("name": "vm", "count": 2, "shut_down": false)";
  parts.assigned = "acc";
  const bool left_out = GENERATE(false, true);
  const std::string first = GENERATE("orderly", "surprise");
  parts.event = left_out ? R"("unplug": "a.vm[0].acc", "how": ")" + first + '"'
                         : std::string(R"("migrate": "a.vm[1]", "to": "b", "assign": ["acc[1]"])");
  parts.events_after =
      R"(, {"at": "12 ms", "migrate": "a.vm[0]", "to": "b", "assign": ["acc[0]"]},
         {"at": "40 ms", "migrate": "a.vm[1]", "to": "b", "assign": ["acc[0]"]},
         {"at": "80 ms", "kill": "a.vm[0]"},
         {"at": "300 ms", "migrate": "a.vm[1]", "to": "b", "assign": ["acc[0]"]})";
  const RunReport report = run(parts);
  CHECK(metric(report, "a.vm[0].migration.moved") == 1);
  CHECK(metric(report, "a.vm[1].migration.moved") == 1);
  CHECK(metric(report, "a.vm[1].migration.no_function") == (left_out ? 1 : 0));
  CHECK(metric(report, "a.vm[1].p.work_failed") == 0);
  CHECK(metric(report, "a.vm[1].p.failed") == 0);
  CHECK(report.violations.empty());
}
