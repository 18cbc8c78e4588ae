// Guests whose vIOMMUs and functions vanish while they work, held against the invariants.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <set>
#include <string>

using namespace viosim;

namespace {

struct Parts {
  std::string accelerator;  // keys of these, with a comma before each
  std::string guest = R"(, "pasids": "guest-wide")";
  std::string viommu = R"(, "backend": "guest-local")";
  std::string assign;
  std::string device = "acc";
  std::string process;
  std::string events;
};

RunReport run(const Parts& parts) {
  const std::string text =
      R"({"name": "departs", "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i")" +
      parts.accelerator + R"(}], "guests": [{"name": "vm", "memory": "64 MiB")" + parts.guest +
      R"(, "viommus": [{"name": "v")" + parts.viommu +
      R"(}], "assign": [{"devices": "acc", "viommu": "v")" + parts.assign +
      R"(}], "processes": [{"name": "p", "devices": [")" + parts.device + R"("])" + parts.process +
      R"(}]}]}], "events": [)" + parts.events + "]}";
  return run_scenario(read_scenario(parse_json(text, "f"), "f"), std::filesystem::path(), {});
}

std::set<std::string> broken(const RunReport& report) {
  std::set<std::string> all;
  for (const check::Violation& one : report.violations) all.insert(check::name_of(one.invariant));
  return all;
}

std::string vanishes(const std::string& what, int microseconds) {
  return fmt::format(R"({{"at": "{} us", "unplug": "h.vm{}", "how": "surprise"}})", microseconds,
                     what);
}

}  // namespace

// Whoever unmaps gives pages back when it is told that the queue is gone; nothing is bound by then.
TEST_CASE(
    "pages are not given back to a device while the hypervisor unbinds what a vIOMMU has left",
    "[run][hotplug]") {
  const std::string interface = GENERATE("vfio", "iommufd");
  const std::string direct = GENERATE("false", "true");
  const int when = GENERATE(315, 330, 420, 885);
  Parts parts;
  parts.guest += R"(, "host_interface": ")" + interface + R"(")";
  parts.viommu += R"(, "direct_invalidation": )" + direct;
  parts.process = R"(, "count": 2, "rounds": 60, "unmap": 4, "populate": true,
                     "work": {"requests": 4, "traffic": {"window": "64 KiB"}})";
  parts.events = vanishes(".v", when);
  CHECK(broken(run(parts)) == std::set<std::string>{"I15"});
}

// Nobody has stopped the function, which goes on asking with a number that is nobody's.
TEST_CASE("page requests after a vIOMMU has vanished are refused, which is right",
          "[run][hotplug]") {
  Parts parts;
  parts.accelerator = R"(, "pri": {"credits": 1})";
  parts.process = R"(, "count": 3)";
  parts.events = vanishes(".v", 594);
  CHECK(broken(run(parts)) == std::set<std::string>{"I15"});
}

TEST_CASE("page requests of a function whose guest knows of none are the host's to answer",
          "[run][hotplug]") {
  const std::string interface = GENERATE("vfio", "iommufd");
  const int when = GENERATE(300, 420, 500, 540);
  Parts parts;
  parts.guest += R"(, "host_interface": ")" + interface + R"(")";
  parts.assign = R"(, "ats": false)";
  parts.process = R"(, "rounds": 30, "unmap": 1,
                     "work": {"requests": 64, "outstanding": 16, "traffic": {"window": "256 KiB"}})";
  parts.events = vanishes(".acc", when);
  CHECK(broken(run(parts)).empty());
}

// A bind that fails behind one that is gone gives its number back, which is bound on the other function next.
TEST_CASE("binds that fail behind a vIOMMU that has vanished leave no entry", "[run][hotplug]") {
  const std::string interface = GENERATE("vfio", "iommufd");
  const int when = GENERATE(204, 300, 420, 594);
  Parts parts;
  parts.accelerator = R"(, "count": 2)";
  parts.guest += R"(, "host_interface": ")" + interface + R"(")";
  parts.assign = R"(, "number": 2)";
  parts.device = "acc[0]";
  const std::string work = R"(, "work": {"requests": 4, "traffic": {"window": "16 KiB"}})";
  parts.process = R"(, "count": 20, "every": "13 us")" + work +
                  R"(}, {"name": "q", "devices": ["acc[1]"], "count": 20, "every": "17 us")" + work;
  parts.events = vanishes(".v", when);
  CHECK(broken(run(parts)) == std::set<std::string>{"I15"});
}

// Linux: devices with all 20 bits only.
TEST_CASE("VFIO binds no PASID to a function with fewer of them", "[run][guest]") {
  const int width = GENERATE(1, 4, 8, 19);
  Parts parts;
  parts.accelerator = fmt::format(R"(, "pasid_width": {})", width);
  const RunReport report = run(parts);
  CHECK(broken(report).empty());
  const Value* const metrics = find(*report.json.if_object(), "metrics");
  REQUIRE(metrics != nullptr);
  const Value* const refused = find(*metrics->if_object(), "h.vm.v.bind_failed");
  REQUIRE(refused != nullptr);
  CHECK(to_text(*refused) == "1");
}
