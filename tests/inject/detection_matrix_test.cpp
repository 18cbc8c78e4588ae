// Every injection and every defect on three machines, and which invariants that violates: the table in
// scenarios/defects/detection.md. UPDATE_GOLDEN=1 rewrites it. What comes and goes violates nothing.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/defects.hpp"
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace viosim;

namespace {

const std::filesystem::path folder =
    std::filesystem::path(VIOSIM_SOURCE_DIR) / "scenarios" / "defects";

struct Machine {
  std::string_view name;
  std::string_view rest;  // of its scenario
};

// A host's processes; a guest with the host's PASIDs, one of whose vIOMMUs comes and goes; and a guest with
// its own PASIDs and a slice of a function that the host shares.
constexpr std::array machines{Machine{"processes", R"("hosts": [{ "part": "native" }])"},
                              Machine{"guest", R"("hosts": [{ "part": "guest" }], "events": [
      { "at": "400 us", "unplug": "host0.vm.v0", "how": "orderly" }, { "at": "700 us", "plug": "host0.vm.v0" }])"},
                              Machine{"slices", R"("hosts": [{ "part": "guest",
      "devices": [{ "name": "acc", "model": "accelerator", "iommu": "dmar0", "shared_queue": { "engines": 2 } }],
      "processes": [{ "name": "own", "count": 2, "devices": ["acc"], "every": "300 us", "rounds": 2,
        "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }],
      "guests": [{ "name": "vm", "memory": "64 MiB", "pasids": "guest-wide", "shut_down": true,
        "viommus": [{ "name": "v0", "backend": "guest-local" }],
        "assign": [{ "devices": "acc", "viommu": "v0", "slice": {} }],
        "processes": [{ "name": "app", "count": 4, "devices": ["acc"], "every": "300 us", "rounds": 2, "unmap": 4,
          "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }] }] }])"}};

Scenario scenario_of(const Machine& machine, const std::string& more) {
  const std::string text = fmt::format(R"({{ "name": "matrix", {}, {} }})", more, machine.rest);
  const std::string file = (folder / "matrix.json").string();
  return scenario_from(parse_json(text, file), file, [](auto problems) { return problems; });
}

RunReport run(const Machine& machine, const std::string& more) {
  return run_scenario(scenario_of(machine, more), folder, {});
}

// None where the machine has no such point.
std::optional<RunReport> run_if_possible(const Machine& machine, const std::string& more) {
  try {
    return run(machine, more);
  } catch (const ConfigError& error) {
    if (std::string_view(error.what()).find("no component of it has") == std::string_view::npos)
      throw;
    return {};
  }
}

std::vector<unsigned> violated(const RunReport& report) {
  std::set<unsigned> all;
  for (const check::Violation& one : report.violations)
    all.insert(static_cast<unsigned>(one.invariant));
  return {all.begin(), all.end()};
}

bool fired(const RunReport& report) {
  const Value* const injections = find(*report.json.if_object(), "injections");
  if (injections == nullptr) return true;  // a defect
  return std::any_of(
      injections->if_array()->begin(), injections->if_array()->end(),
      [](const Value& one) { return *find(*one.if_object(), "fired")->whole() > 0; });
}

// How a run ended that did not come to its end.
std::string ending(const RunReport& report) {
  for (const Verdict& verdict : report.verdicts) {
    if (verdict.expected == "the run comes to its end")
      return verdict.found.substr(0, verdict.found.find(':'));
  }
  return {};
}

std::string cell(const std::optional<RunReport>& possible) {
  if (!possible || !fired(*possible)) return "";
  const RunReport& report = *possible;
  std::string text;
  for (const unsigned one : violated(report))
    text += fmt::format("{}I{}", text.empty() ? "" : " ", one);
  const std::string end = ending(report);
  if (!end.empty()) text += (text.empty() ? "" : ", ") + end;
  return text.empty() ? "-" : text;
}

struct Row {
  std::string what;
  std::string more;         // of the scenario
  bool only_found = false;  // it has no place in the table where nothing finds it
};

Row injection(const std::string& what, const std::string& text) {
  return {what, R"("injections": [{ )" + text + " }]"};
}

// Each time; and where that violates nothing, the second time only.
std::string cell(const Machine& machine, const Row& row) {
  std::string each = cell(run_if_possible(machine, row.more));
  const bool counted = row.more.find("\"count\"") != std::string::npos ||
                       row.more.find("\"nth\"") != std::string::npos;
  if (each != "-" || counted || row.more.starts_with("\"defects\"")) return each;
  std::string once = row.more;
  once.insert(once.find(" }]"), R"(, "nth": 2)");
  const std::string second = cell(run_if_possible(machine, once));
  return second.empty() ? each : second;
}

// Of each message what can be done with it.
void add_messages(std::vector<Row>& rows) {
  for (const auto& message : choices(Message{})) {
    for (const char* const effect : {"drop", "delay", "duplicate", "reorder"}) {
      const bool late = std::string_view(effect) == "delay";
      const std::string text =
          fmt::format(R"("{}": "{}"{})", effect, message.name, late ? R"(, "by": "20 us")" : "");
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

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  add_messages(rows);
  add_steps(rows);
  for (const auto& misdeed : choices(Misdeed{})) {
    rows.push_back(injection(fmt::format("misbehave `{}`", misdeed.name),
                             fmt::format(R"("misbehave": "{}", "count": 8)", misdeed.name)));
  }
  for (const auto& odd : choices(OddId{})) {
    rows.push_back(injection(fmt::format("allocate `{}`", odd.name),
                             fmt::format(R"("allocate": "{}", "nth": 2)", odd.name)));
  }
  for (const auto& defect : choices(Defect{})) {
    rows.push_back({fmt::format("defect `{}`", defect.name),
                    fmt::format(R"("defects": ["{}"])", defect.name)});
  }
  return rows;
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string table() {
  std::string text = "| injection |";
  for (const Machine& machine : machines) text += fmt::format(" {} |", machine.name);
  text += "\n|---|---|---|---|\n";
  for (const Row& row : all_rows()) {
    std::string line;
    bool found = !row.only_found;
    for (const Machine& machine : machines) {
      const std::string its = cell(machine, row);
      found = found || its.size() > 1;
      line += its.empty() ? " |" : fmt::format(" {} |", its);
    }
    if (found) text += fmt::format("| {} |{}\n", row.what, line);
  }
  return text;
}

}  // namespace

TEST_CASE("without an injection none of the machines violates anything", "[inject][matrix]") {
  for (const Machine& machine : machines) {
    INFO(machine.name);
    const RunReport report = run(machine, R"("injections": [])");
    CHECK(violated(report).empty());
    CHECK(ending(report).empty());
  }
}

TEST_CASE("the table of what finds each injection is what runs give", "[inject][matrix]") {
  const std::filesystem::path file = folder / "detection.md";
  const std::string now = table();
  std::string text = contents(file);
  const std::size_t at = text.find("| injection |");
  REQUIRE(at != std::string::npos);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(file) << text.substr(0, at) << now;
    return;
  }
  CHECK(text.substr(at) == now);
}

// Surprises are no mistakes of software, whenever they come.
TEST_CASE("who is killed or vanishes at any message or step violates nothing", "[inject][matrix]") {
  const auto nth = static_cast<unsigned>(GENERATE(1, 5));
  for (const NamedPoint& point : named_points()) {
    for (const char* const what :
         {R"("kill": "host0.vm")", R"("vanish": "host0.vm.v1")", R"("vanish": "host0.vm.acc")"}) {
      const std::string text = fmt::format(R"({}, "on": "{}", "nth": {})", what, point.name, nth);
      INFO(text);
      const auto report = run_if_possible(machines[1], injection("", text).more);
      if (!report) continue;
      std::vector<unsigned> numbers = violated(*report);
      // PASIDs that live when the last vIOMMU of their allocator vanishes are orphans.
      if (std::string_view(what).find("v1") != std::string_view::npos) std::erase(numbers, 15U);
      CHECK(numbers.empty());
    }
  }
}
