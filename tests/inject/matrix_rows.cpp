// Rows from the lists of messages, steps, misdeeds, numbers and defects.
// SPDX-License-Identifier: Apache-2.0
#include "tests/inject/matrix_rows.hpp"

#include "sim/inject/defects.hpp"
#include "sim/json/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <span>

namespace viosim::matrix {
namespace {

const std::filesystem::path folder =
    std::filesystem::path(VIOSIM_SOURCE_DIR) / "scenarios" / "defects";

// A function has 10 ms to confirm an invalidation; within them its caller waits.
const char* how_late(Message message) {
  return message == Message::invalidation_completion ? R"(, "by": "20 ms")" : R"(, "by": "20 us")";
}

// Software submits an invalidation 16 times before it gives it up.
unsigned times(Misdeed misdeed) { return misdeed == Misdeed::never_answer ? 17 : 8; }

// Of each message what can be done with it.
void add_messages(std::vector<Row>& rows) {
  for (const auto& message : choices(Message{})) {
    for (const char* const effect : {"drop", "delay", "duplicate", "reorder", "truncate"}) {
      const bool late = std::string_view(effect) == "delay";
      const std::string text =
          fmt::format(R"("{}": "{}"{})", effect, message.name, late ? how_late(message.value) : "");
      try {
        scenario_of(machines[0], injection("", text).more);
      } catch (const ConfigError&) {
        continue;  // it cannot be done with this one
      }
      rows.push_back(injection(fmt::format("{} `{}`", effect, message.name), text));
    }
  }
}

// Each step left out; in an order of an IOMMU driver, also exchanged with each later one.
void add_steps(std::vector<Row>& rows) {
  const std::span<const NamedPoint> steps = named_steps();
  const auto order = [](std::size_t i) { return StepName{static_cast<std::uint16_t>(i)}.order(); };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string& name = steps[i].name;
    rows.push_back(injection(fmt::format("skip `{}`", name), fmt::format(R"("skip": "{}")", name)));
    for (std::size_t j = i + 1; j < steps.size() && order(i) && order(i) == order(j); ++j) {
      const std::string later = steps[j].name.substr(steps[j].name.find('.') + 1);
      rows.push_back(injection(fmt::format("swap `{}` with `{}`", name, later),
                               fmt::format(R"("swap": "{}", "with": "{}")", name, steps[j].name)));
      rows.back().only_found = true;
    }
  }
}

// Its injections, without how late something comes, and its defects.
std::set<std::string> whats_of(const Scenario& scenario) {
  std::set<std::string> all;
  for (const InjectionConfig& injection : scenario.injections) {
    const std::string text = text_of(injection);
    all.insert(text.substr(0, text.find(" by ")));
  }
  for (const Defect defect : scenario.defects) {
    for (const auto& choice : choices(Defect{}))
      if (choice.value == defect) all.insert(fmt::format("defect {}", choice.name));
  }
  return all;
}

}  // namespace

const std::array<Machine, 6> machines{
    Machine{"processes", Users::host, R"("hosts": [{ "part": "native" }])"},
    Machine{"guest", Users::guest,
            R"("hosts": [{ "part": "guest" }], "events": [
      { "at": "400 us", "unplug": "host0.vm.v0", "how": "orderly" }, { "at": "700 us", "plug": "host0.vm.v0" }])"},
    Machine{"slices", Users::both,
            R"("hosts": [{ "part": "guest",
      "devices": [{ "name": "acc", "model": "accelerator", "iommu": "dmar0", "shared_queue": { "engines": 2 } }],
      "processes": [{ "name": "own", "count": 2, "devices": ["acc"], "every": "300 us", "rounds": 2,
        "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }],
      "guests": [{ "name": "vm", "memory": "64 MiB", "pasids": "guest-wide", "shut_down": true,
        "viommus": [{ "name": "v0", "backend": "guest-local" }],
        "assign": [{ "devices": "acc", "viommu": "v0", "slice": {} }],
        "processes": [{ "name": "app", "count": 4, "devices": ["acc"], "every": "300 us", "rounds": 2, "unmap": 4,
          "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }] }] }])"},
    Machine{"leaving", Users::host,
            R"("hosts": [{ "part": "native",
      "devices": [{ "name": "acc", "count": 2, "model": "accelerator", "iommu": "dmar0" }],
      "processes": [
        { "name": "exits", "count": 4, "devices": ["acc[0]"], "every": "300 us", "rounds": 2, "unmap": 4, "pause": "5 us",
          "end": "exit-first",
          "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } },
        { "name": "plain", "count": 4, "devices": ["acc[1]"], "every": "300 us", "rounds": 2, "unmap": 4, "pause": "5 us",
          "without_pasid": true, "populate": true,
          "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }] }],
      "events": [{ "at": "700 us", "unplug": "host0.acc[*]", "how": "orderly" },
        { "at": "800 us", "plug": "host0.acc[*]" },
        { "at": "1400 us", "unplug": "host0.acc[*]", "how": "orderly" }])"},
    Machine{"iommufd", Users::guest,
            R"("hosts": [{ "part": "guest",
      "guests": [{ "name": "vm", "memory": "64 MiB", "shut_down": true,
        "host_interface": "iommufd", "pasids": "guest-wide",
        "viommus": [{ "name": "v0", "backend": "guest-local" }],
        "assign": [{ "devices": "acc", "viommu": "v0" }],
        "processes": [{ "name": "app", "count": 4, "devices": ["acc"], "every": "300 us", "rounds": 2, "unmap": 4,
          "pause": "5 us",
          "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }] }] }])"},
    Machine{"moved", Users::guest,
            R"("hosts": [{ "part": "guest",
      "guests": [{ "name": "vm", "memory": "32 MiB", "shut_down": true, "pasids": "guest-wide",
        "migration": { "rounds": 0 },
        "viommus": [{ "name": "v0", "backend": "guest-local" }],
        "assign": [{ "devices": "acc", "viommu": "v0" }],
        "processes": [{ "name": "app", "count": 4, "start": "200 us", "devices": ["acc"], "every": "300 us", "rounds": 2,
          "unmap": 4, "pause": "5 us",
          "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }] }] },
      { "name": "host1", "iommus": [{ "name": "dmar0", "model": "vtd" }],
        "devices": [{ "name": "acc", "model": "accelerator", "iommu": "dmar0" }] }],
      "links": [{ "name": "net", "between": ["host0", "host1"], "bandwidth": "400 Gbit/s", "latency": "1 us" }],
      "events": [{ "at": "50 us", "migrate": "host0.vm", "to": "host1", "assign": ["acc"] }])"},
};

// D1, D2 and D4 are one switch.
static std::string_view remark_of(Defect defect) {
  switch (defect) {
    case Defect::d2:
      return " (with D1 and D4, one switch)";
    case Defect::d4:
      return " (the run of D1: D4 needs a registration that failed)";
    default:
      return "";
  }
}

Scenario scenario_of(const Machine& machine, const std::string& more) {
  const std::string text = fmt::format(R"({{ "name": "matrix", {}, {} }})", more, machine.rest);
  const std::string file = (folder / "matrix.json").string();
  PartFiles parts;
  return scenario_from(parse_json(text, file), file, parts, [](auto problems) { return problems; });
}

Row injection(const std::string& what, const std::string& text) {
  return {what, R"("injections": [{ )" + text + " }]"};
}

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  add_messages(rows);
  add_steps(rows);
  for (const auto& misdeed : choices(Misdeed{})) {
    rows.push_back(injection(
        fmt::format("misbehave `{}`", misdeed.name),
        fmt::format(R"("misbehave": "{}", "count": {})", misdeed.name, times(misdeed.value))));
  }
  for (const auto& odd : choices(OddId{})) {
    rows.push_back(injection(fmt::format("allocate `{}`", odd.name),
                             fmt::format(R"("allocate": "{}", "nth": 2)", odd.name)));
  }
  for (const auto& defect : choices(Defect{})) {
    rows.push_back({fmt::format("defect `{}`{}", defect.name, remark_of(defect.value)),
                    fmt::format(R"("defects": ["{}"])", defect.name)});
  }
  return rows;
}

Shown::Shown() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    const std::string name = file.stem().string();
    if (name.ends_with("-corrected")) continue;
    for (const std::string& what : whats_of(load_scenario(file, {}, {})))
      scenarios_[what].push_back(name);
  }
}

const std::vector<std::string>& Shown::by(const Row& row) const {
  static const std::vector<std::string> none;
  const auto found = scenarios_.find(*whats_of(scenario_of(machines[0], row.more)).begin());
  return found == scenarios_.end() ? none : found->second;
}

}  // namespace viosim::matrix
