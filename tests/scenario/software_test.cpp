// Accelerators, processes and guests as they are written: who gets what, and what cannot be.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/assignments.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace viosim;

namespace {

struct Parts {
  std::string devices = R"({"name": "acc", "count": 4, "model": "accelerator", "iommu": "i"})";
  std::string guests;
  std::string processes;
  std::string more;
  std::string iommus;
};

Scenario scenario(const Parts& parts) {
  const std::string text =
      R"({"name": "s", "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"},
         {"name": "old", "model": "vtd", "mode": "legacy"})" +
      parts.iommus + R"(], "devices": [)" + parts.devices + R"(], "guests": [)" + parts.guests +
      R"(], "processes": [)" + parts.processes + "]" + parts.more + "}]}";
  return read_scenario(parse_json(text, "f"), "f");
}

std::string refusal(const Parts& parts) {
  try {
    scenario(parts);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  INFO(part);
  return text.find(part) != std::string::npos;
}

std::string guest(const std::string& assign, const std::string& more = "") {
  return R"({"name": "vm", "viommus": [{"name": "v0"}, {"name": "v1"}], "assign": [)" + assign +
         "]" + more + "}";
}

Assignments assignments(const Scenario& of) {
  std::vector<Problem> problems;
  Assignments all = assignments_of(of.hosts[0], Where(problems, ""));
  CHECK(problems.empty());
  return all;
}

}  // namespace

TEST_CASE("guests take the next accelerators that nobody has", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "acc", "viommu": "v1"}, {"devices": "acc", "viommu": "v0"})",
                       R"(, "count": 2)");
  const Scenario read = scenario(parts);
  const Assignments all = assignments(read);
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].size() == 2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    REQUIRE(all[0][i].size() == 2);
    CHECK(all[0][i][0].on_host == DeviceNumber{0, 2 * i});
    CHECK(all[0][i][0].in_guest == DeviceNumber{0, 0});
    CHECK(all[0][i][0].viommu == 1);
    CHECK(all[0][i][1].on_host == DeviceNumber{0, 2 * i + 1});
    CHECK(all[0][i][1].in_guest == DeviceNumber{0, 1});
    CHECK(all[0][i][1].viommu == 0);
  }
  CHECK(devices_of(read.hosts[0].guests[0], read.hosts[0]) == std::vector<DeviceGroup>{{"acc", 2}});
}

TEST_CASE("certain accelerators are given before the others", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "acc", "number": 2, "viommu": "v0"})") +
                 R"(, {"name": "w", "viommus": [{"name": "v0"}],
                       "assign": [{"devices": "acc[0,2]", "viommu": "v0"}]})";
  const Assignments all = assignments(scenario(parts));
  CHECK(all[0][0][0].on_host.index == 1);
  CHECK(all[0][0][1].on_host.index == 3);
  CHECK(all[1][0][0].on_host.index == 0);
  CHECK(all[1][0][1].on_host.index == 2);
}

TEST_CASE("what is written of software is read again", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "acc", "viommu": "v0"})",
                       R"(, "shut_down": true, "processes": [{"name": "p", "devices": ["acc"]}])");
  parts.processes = R"({"name": "q", "count": 3, "every": "1 us", "devices": ["acc[1-3]"]})";
  const Scenario once = scenario(parts);
  CHECK(read_scenario(write(once), "again") == once);
}

TEST_CASE("accelerators have an IOMMU with PASIDs to themselves", "[scenario][software]") {
  Parts parts;
  parts.devices = R"({"name": "acc", "model": "accelerator", "iommu": "old"})";
  CHECK(says(refusal(parts),
             "/hosts/0/devices/0/iommu: read \"old\"; expected an IOMMU of model "
             "\"vtd\" in scalable mode"));
  parts.devices = R"({"name": "acc", "model": "accelerator", "iommu": "i"},
                     {"name": "nic", "model": "dma", "iommu": "i", "requests": 1})";
  CHECK(says(refusal(parts), "/hosts/0/devices/1/iommu: read \"i\"; expected another IOMMU"));
  parts.devices = R"({"name": "nic", "model": "dma", "iommu": "i", "requests": 1},
                     {"name": "acc", "model": "accelerator", "iommu": "i"})";
  CHECK(says(refusal(parts), "/hosts/0/devices/1/iommu: read \"i\"; expected another IOMMU"));
}

TEST_CASE("what has no effect is refused", "[scenario][software]") {
  Parts parts;
  parts.more = R"(, "kernel": {"migrate_every": "1 us"})";
  CHECK(says(refusal(parts), "/hosts/0/kernel: read it on a host without devices"));
  parts.devices = R"({"name": "nic", "model": "dma", "iommu": "i", "requests": 1})";
  parts.more = R"(, "software": {"cpus": 2})";
  CHECK(says(refusal(parts), "/hosts/0/software: read it on a host without accelerators"));
  parts = {};
  parts.devices = R"({"name": "acc", "model": "accelerator", "iommu": "i", "queues": 4,
                      "shared_queue": {}})";
  CHECK(says(refusal(parts), "/hosts/0/devices/0/queues: read it with \"shared_queue\""));
  parts.devices = R"({"name": "acc", "model": "accelerator", "iommu": "i",
                      "page_requests": false, "pri": {"credits": 4}})";
  CHECK(says(refusal(parts), "/hosts/0/devices/0/pri: read it with \"page_requests\": false"));
}

TEST_CASE("more accelerators than there are cannot be assigned", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "acc", "number": 3, "viommu": "v0"})", R"(, "count": 2)");
  CHECK(says(refusal(parts),
             "/hosts/0/guests/0/assign/0/devices: read 3 for each of 2 guests; host "
             "\"h\" has too few \"acc\" that nobody else has: guest 1 gets 1"));
  parts.guests = guest(R"({"devices": "acc[1]", "viommu": "v0"})", R"(, "count": 2)");
  CHECK(says(refusal(parts), "read \"acc[1]\" for 2 guests; expected a name such as \"acc\""));
  parts.guests =
      guest(R"({"devices": "acc[1]", "viommu": "v0"}, {"devices": "acc[0-2]", "viommu": "v1"})");
  CHECK(says(refusal(parts),
             "/hosts/0/guests/0/assign/1/devices: read \"acc[0-2]\"; expected accelerators that no "
             "other guest has: acc[1] is assigned twice"));
}

TEST_CASE("all names that mean nothing are reported, with the nearest", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "ac", "viommu": "v0"}, {"devices": "acc", "viommu": "v2"})",
                       R"(, "processes": [{"name": "p", "devices": ["acc[7]"]}])");
  parts.processes = R"({"name": "q", "devices": ["acc", "bcc[0]"]})";
  const std::string problems = refusal(parts);
  CHECK(says(problems,
             "/hosts/0/guests/0/assign/0/devices: read \"ac\"; expected the name of "
             "accelerators; did you mean \"acc\"?"));
  CHECK(says(problems,
             "/hosts/0/guests/0/assign/1/viommu: read \"v2\"; expected the name of a "
             "vIOMMU of guest \"vm\"; did you mean"));
  CHECK(says(problems, "/hosts/0/guests/0/processes/0/devices/0: read \"acc[7]\""));
  CHECK(says(problems,
             "/hosts/0/processes/0/devices/0: read \"acc\"; expected an accelerator of "
             "host \"h\"; did you mean \"acc[*]\"?"));
  CHECK(says(problems, "/hosts/0/processes/0/devices/1: read \"bcc[0]\""));
}

TEST_CASE("a guest without a vIOMMU can have no accelerators", "[scenario][software]") {
  Parts parts;
  parts.guests = R"({"name": "vm", "assign": [{"devices": "acc", "viommu": "v0"}]})";
  CHECK(says(refusal(parts), "of guest \"vm\", which has none"));
}

TEST_CASE("a guest's accelerators are not its host's", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "acc", "number": 2, "viommu": "v0"})");
  parts.processes = R"({"name": "q", "devices": ["acc[1-2]"]})";
  CHECK(says(refusal(parts),
             "/hosts/0/processes/0/devices/0: read \"acc[1]\", which is assigned to "
             "a guest"));
  parts.processes = R"({"name": "q", "devices": ["acc[2-3]"]})";
  CHECK(refusal(parts).empty());
}

TEST_CASE("the host binds no number that it has not given", "[scenario][software]") {
  const std::string viommus =
      R"({"name": "vm", "viommus": [{"name": "v", "backend": "guest-local"}])";
  Parts parts;
  parts.guests = viommus + "}";
  CHECK(says(refusal(parts),
             "/hosts/0/guests/0/viommus/0/backend: read \"guest-local\" in a guest "
             "whose \"pasids\" are \"system-wide\""));
  parts.guests = viommus + R"(, "pasids": "guest-wide"})";
  CHECK(refusal(parts).empty());
  parts.guests = R"({"name": "vm", "viommus": [{"name": "v"}], "pasids": "guest-wide"})";
  CHECK(says(refusal(parts), "/hosts/0/guests/0/viommus/0/backend: read \"virtual-command\""));
}

TEST_CASE("values of guests that no machine has are refused", "[scenario][software]") {
  const auto refused = [](const std::string& more) {
    Parts parts;
    parts.guests = R"({"name": "vm", "viommus": [{"name": "v"}], )" + more + "}";
    return refusal(parts);
  };
  for (const char* const entries : {"0", "3", "64", "32768", "4294967295"}) {
    CHECK(says(refused(R"("iommu": {"entries": )" + std::string(entries) + "}"),
               "/hosts/0/guests/0/iommu/entries: read " + std::string(entries) +
                   "; expected a power of two from 128 to 16384"));
  }
  CHECK(refused(R"("iommu": {"entries": 128})").empty());
  CHECK(says(refused(R"("vcpus": 4294967295)"),
             "/vcpus: read 4294967295; expected a whole number from 1 to 4096"));
  CHECK(says(refused(R"("vfio": {"lowest_pasid": 10, "highest_pasid": 5})"),
             "/vfio/highest_pasid: read 5; expected at least lowest_pasid, 10"));
  CHECK(says(refused(R"("vfio": {"lowest_pasid": 0})"), "/vfio/lowest_pasid: read 0"));
  CHECK(says(refused(R"("vfio": {"highest_pasid": 1048576})"), "/vfio/highest_pasid: read"));
  CHECK(says(refused(R"("kernel": {"sva": {"min_pasid": 0}})"), "/kernel/sva/min_pasid: read 0"));
  CHECK(says(refused(R"("processes": [{"name": "migration", "devices": ["acc"]}])"),
             "/processes/0/name: read \"migration\"; expected a name that nothing else"));
}

TEST_CASE("an accelerator's PASIDs fit it", "[scenario][software]") {
  const auto refused = [](const std::string& pasids) {
    Parts parts;
    parts.devices = R"({"name": "acc", "model": "accelerator", "iommu": "i", "pasid_width": 4,
        "pasids": )" +
                    pasids + "}";
    return refusal(parts);
  };
  CHECK(refused(R"({"min_pasid": 2, "max_pasid": 15, "reserved": [1, 15]})").empty());
  CHECK(says(refused(R"({"max_pasid": 16})"), "/pasids/max_pasid: read 16; expected at most 15"));
  CHECK(says(refused(R"({"min_pasid": 9, "max_pasid": 8})"), "/pasids/min_pasid: read 9"));
  CHECK(says(refused(R"({"reserved": [0]})"), "/pasids/reserved/0: read 0"));
}

TEST_CASE("processes do what they can", "[scenario][software]") {
  Parts parts;
  parts.processes = R"({"name": "q", "devices": []})";
  CHECK(says(refusal(parts), "/hosts/0/processes/0/devices: read an empty list"));
  parts.processes = R"({"name": "q", "devices": ["acc[0]", "acc[*]"]})";
  CHECK(says(refusal(parts),
             "/hosts/0/processes/0/devices/1: read \"acc[*]\"; expected each device "
             "once: it has \"acc[0]\" again"));
  parts.processes =
      R"({"name": "q", "devices": ["acc[0]"], "unmap": 17, "work": {"traffic": {"window": "64 KiB"}}})";
  CHECK(says(refusal(parts), "/hosts/0/processes/0/unmap: read 17 pages; expected at most the 16"));
  parts.processes =
      R"({"name": "q", "devices": ["acc[0]"], "work": {"traffic": {"window": "32 MiB"}}})";
  parts.more = R"(, "software": {"process_memory": "16 MiB"})";
  CHECK(says(refusal(parts),
             "/hosts/0/processes/0/work/traffic/window: read \"32 MiB\"; expected at most "
             "\"16 MiB\", the host's process_memory"));
  parts.more = R"(, "software": {"process_memory": "32 MiB"})";
  CHECK(refusal(parts).empty());
  parts.more = {};
  parts.processes = {};
  parts.guests = guest(R"({"devices": "acc", "viommu": "v0"})",
                       R"(, "memory": "32 MiB", "processes": [{"name": "p", "devices": ["acc"],
               "work": {"traffic": {"window": "32 MiB"}}}])");
  CHECK(says(refusal(parts),
             "/hosts/0/guests/0/processes/0/work/traffic/window: read \"32 MiB\"; expected at most "
             "\"16 MiB\""));
  parts.guests = guest("", R"(, "shut_down": true)");
  CHECK(
      says(refusal(parts), "/hosts/0/guests/0/shut_down: read true in a guest without processes"));
}

TEST_CASE("names of a host's and a guest's parts differ", "[scenario][software]") {
  Parts parts;
  parts.guests = R"({"name": "acc", "viommus": [{"name": "kernel"}, {"name": "v"}],
                     "processes": [{"name": "v", "devices": ["acc"]}]})";
  const std::string problems = refusal(parts);
  CHECK(says(problems, "/hosts/0/guests/0/name: read \"acc\""));
  CHECK(says(problems, "/hosts/0/guests/0/viommus/0/name: read \"kernel\""));
  CHECK(says(problems, "/hosts/0/guests/0/processes/0/name: read \"v\""));
}

namespace {

const std::string guest_wide = R"(, "pasids": "guest-wide", "viommus":
    [{"name": "v0", "backend": "guest-local"}, {"name": "v1", "backend": "guest-local"}])";

std::string plain_guest(const std::string& name, const std::string& assign,
                        const std::string& more = guest_wide) {
  return R"({"name": ")" + name + R"(", "assign": [)" + assign + "]" + more + "}";
}

}  // namespace

TEST_CASE("slices are of certain accelerators, which many may share", "[scenario][software]") {
  Parts parts;
  parts.devices += R"(, {"name": "dsa", "model": "accelerator", "iommu": "i", "shared_queue": {}})";
  parts.guests = plain_guest("vm", R"({"devices": "acc[1]", "viommu": "v1", "slice": {"queues": 3}},
                                      {"devices": "dsa", "viommu": "v0", "slice": {}})",
                             guest_wide + R"(, "count": 2)") +
                 "," + plain_guest("w", R"({"devices": "acc", "number": 3, "viommu": "v0"})");
  parts.processes = R"({"name": "q", "devices": ["acc[1]", "dsa"]})";
  const Scenario read = scenario(parts);
  CHECK(read_scenario(write(read), "again") == read);
  const Assignments all = assignments(read);
  for (std::uint32_t i = 0; i < 2; ++i) {
    REQUIRE(all[0][i].size() == 2);
    CHECK(all[0][i][0].on_host == DeviceNumber{0, 1});
    CHECK(all[0][i][0].in_guest == DeviceNumber{0, 0});
    CHECK(all[0][i][0].slice->first == 3 * i);
    CHECK(all[0][i][0].slice->count == 3);
    CHECK(all[0][i][1].on_host == DeviceNumber{1, 0});
    CHECK(all[0][i][1].slice->count == 0);
  }
  // Whole ones are others.
  CHECK(all[1][0][0].on_host.index == 0);
  CHECK(all[1][0][1].on_host.index == 2);
  CHECK(!all[1][0][1].slice);
}

TEST_CASE("a guest whose accelerators are not found is said to have none", "[scenario][software]") {
  Parts parts;
  parts.guests = guest(R"({"devices": "acc[99]", "viommu": "v0"})",
                       R"(, "processes": [{"name": "p", "devices": ["acc[0]"]}])");
  CHECK(says(refusal(parts),
             "read \"acc[0]\"; expected an accelerator of guest \"vm\"; guest \"vm\" has none"));
}

TEST_CASE("slices that cannot be are refused", "[scenario][software]") {
  Parts parts;
  parts.devices += R"(, {"name": "dsa", "model": "accelerator", "iommu": "i", "shared_queue": {}})";
  const auto assigned = [&](const std::string& assign, const std::string& more = guest_wide) {
    parts.guests = plain_guest("vm", assign, more);
    return refusal(parts);
  };
  CHECK(says(
      assigned(R"({"devices": "acc", "viommu": "v0", "slice": {}})"),
      "/hosts/0/guests/0/assign/0/devices: read \"acc\"; expected an accelerator of host \"h\"; "
      "did you mean \"acc[*]\"?"));
  CHECK(says(assigned(R"({"devices": "dsa", "viommu": "v0", "slice": {"queues": 2}})"),
             "/assign/0/slice/queues: read it of an accelerator with a \"shared_queue\""));
  CHECK(says(assigned(R"({"devices": "acc[0]", "viommu": "v0", "slice": {"queues": 0}})"),
             "/assign/0/slice/queues: read 0; expected a whole number from 1"));
  CHECK(says(assigned(R"({"devices": "acc[0]", "number": 2, "viommu": "v0", "slice": {}})"),
             "/assign/0/number: read it with a slice"));
  CHECK(says(
      assigned(R"({"devices": "acc[0]", "viommu": "v0", "slice": {"queues": 3}})",
               guest_wide + R"(, "count": 3)"),
      "/assign/0/slice/queues: read 3; \"acc[0]\" has 8 queues, of which other slices have 6"));
  CHECK(says(assigned(R"({"devices": "acc[0]", "viommu": "v0", "slice": {}},
                         {"devices": "acc[0]", "viommu": "v1", "slice": {}})"),
             "/assign/1/devices: read \"acc[0]\"; expected one slice of each: the guest has one"));
  CHECK(says(assigned(R"({"devices": "acc[0]", "viommu": "v0", "slice": {}},
                         {"devices": "acc[0]", "viommu": "v1"})"),
             "/assign/1/devices: read \"acc[0]\"; expected accelerators that no other guest has"));
  parts.processes = R"({"name": "q", "devices": ["acc[0]"]})";
  CHECK(says(assigned(R"({"devices": "acc[0]", "viommu": "v0", "slice": {"queues": 8}})"),
             "/hosts/0/processes/0/devices/0: read \"acc[0]\", all of whose queues are slices of "
             "guests"));
}

TEST_CASE("a guest has one interface to its host, and what that has", "[scenario][software]") {
  Parts parts;
  const std::string assign = R"({"devices": "acc", "viommu": "v0"})";
  const auto with = [&](const std::string& more) {
    parts.guests = plain_guest("vm", assign, more);
    return refusal(parts);
  };
  const std::string modern = guest_wide + R"(, "host_interface": "iommufd")";
  CHECK(with(modern).empty());
  CHECK(says(with(modern + R"(, "vfio": {"quota": 5})"),
             "/hosts/0/guests/0/vfio: read it with \"host_interface\": \"iommufd\""));
  CHECK(says(with(guest_wide + R"(, "iommufd": {"batch": 5})"),
             "/hosts/0/guests/0/iommufd: read it with \"host_interface\": \"vfio\""));
  CHECK(
      says(with(R"(, "host_interface": "iommufd", "viommus": [{"name": "v0", "backend": "none"}])"),
           "/hosts/0/guests/0/pasids: read \"system-wide\" with"));
  CHECK(says(with(R"(, "host_interface": "iommufd", "pasids": "guest-wide",
                     "viommus": [{"name": "v0"}])"),
             "/hosts/0/guests/0/viommus/0/backend: read \"virtual-command\" with"));
  parts.devices = R"({"name": "acc", "count": 2, "model": "accelerator", "iommu": "i",
                      "shared_queue": {}})";
  parts.guests = plain_guest("vm", R"({"devices": "acc[0]", "viommu": "v0", "slice": {}},
                                      {"devices": "acc[1]", "viommu": "v0"})",
                             modern);
  CHECK(says(refusal(parts), "/hosts/0/guests/0/assign/1/devices: read \"acc[1]\", all of an"));
  CHECK(says(with(R"(, "host_interface": "iommufds", "viommus": [{"name": "v0"}])"),
             "did you mean \"iommufd\"?"));
}

TEST_CASE("rings that hardware cannot have, or software cannot use, are refused", "[scenario]") {
  const auto refused = [](const std::string& iommu) {
    Parts parts;
    parts.iommus = R"(, {"name": "other", )" + iommu + "}";
    return refusal(parts);
  };
  const std::string wide = R"("model": "vtd", "invalidation": {"entries": 32768})";
  for (const char* const mode : {"", R"(, "mode": "scalable")"}) {
    CHECK(
        says(refused(wide + mode),
             "/hosts/0/iommus/2/invalidation/entries: read 32768; expected at most 16384 in "
             "scalable mode, whose descriptors have 32 bytes; 32768 in \"mode\": \"legacy\" only"));
  }
  CHECK(refused(wide + R"(, "mode": "legacy")").empty());
  CHECK(refused(R"("model": "vtd", "invalidation": {"entries": 16384})").empty());
  const std::string least = R"("model": "vtd", "invalidation": {"entries": 128})";
  CHECK(
      says(refused(least + R"(, "mode": "legacy")"),
           "/hosts/0/iommus/2/invalidation/entries: read 128; expected at least 256 in legacy "
           "mode, whose descriptors have 16 bytes: one page; 128 in \"mode\": \"scalable\" only"));
  CHECK(refused(least).empty());
  CHECK(refused(R"("model": "vtd", "mode": "legacy", "invalidation": {"entries": 256})").empty());
  CHECK(says(refused(R"("model": "riscv", "commands": {"entries": 2})"),
             "/hosts/0/iommus/2/commands/entries: read 2; expected a power of two from 4"));
  CHECK(refused(R"("model": "riscv", "commands": {"entries": 4})").empty());
}
