// All of scenarios/defects: each is what it expects, its corrected neighbour too, and the table in the
// README is what they give. UPDATE_GOLDEN=1 rewrites the table.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.hpp"
#include "sim/check/checker.hpp"
#include "sim/inject/defects.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

using namespace viosim;

namespace {

const std::filesystem::path folder =
    std::filesystem::path(VIOSIM_SOURCE_DIR) / "scenarios" / "defects";
const std::string suffix = "-corrected";

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") all.push_back(entry.path().stem().string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

bool corrected(const std::string& name) { return name.ends_with(suffix); }

Scenario read(const std::string& name) { return load_scenario(folder / (name + ".json"), {}, {}); }
RunReport run(const std::string& name) { return run_scenario(read(name), folder, {}); }

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Those that the run violates, in the order in which it does.
std::vector<check::Violation> first_ones(const RunReport& report) {
  std::vector<check::Violation> firsts;
  for (const check::Violation& one : report.violations) {
    const bool known = std::any_of(
        firsts.begin(), firsts.end(),
        [&](const check::Violation& other) { return other.invariant == one.invariant; });
    if (!known) firsts.push_back(one);
  }
  return firsts;
}

// What a scenario is to show: "i07-..." says it; of historic defects it is said here. None: a figure.
std::optional<check::Invariant> intended(const std::string& name) {
  using check::Invariant;
  if (name.starts_with("d1-")) return Invariant::active_is_there;
  if (name.starts_with("d4-")) return Invariant::empty_switch;
  if (name.starts_with("d5-")) return Invariant::one_free;
  if (name.starts_with("d6-")) return std::nullopt;
  if (name.starts_with("d7-")) return Invariant::use_of_live;
  if (name.starts_with("e1-")) return Invariant::same_numbers;
  for (const check::InvariantInfo& info : check::invariants()) {
    const auto number = static_cast<unsigned>(info.invariant);
    if (name.starts_with(fmt::format("i{:02}-", number))) return info.invariant;
  }
  FAIL("the name says no invariant: " << name);
  return std::nullopt;
}

const check::Violation* first_of(std::optional<check::Invariant> which,
                                 const std::vector<check::Violation>& all) {
  const auto its = std::find_if(
      all.begin(), all.end(), [&](const check::Violation& one) { return one.invariant == which; });
  return its == all.end() ? nullptr : &*its;
}

// As scene.hpp promises: oldest first, with how its PASID was allocated, and what was injected.
void check_chain(const check::Violation& violation, bool injected) {
  const auto is_a = [](EventKind kind) {
    return [kind](const TraceEvent& event) { return static_cast<EventKind>(event.kind) == kind; };
  };
  const std::vector<TraceEvent>& chain = violation.chain;
  CHECK(std::is_sorted(chain.begin(), chain.end(),
                       [](const TraceEvent& a, const TraceEvent& b) { return a.time < b.time; }));
  if (injected) CHECK(std::any_of(chain.begin(), chain.end(), is_a(EventKind::injection)));
  if (violation.pasid != 0 && violation.current_epoch != 0)
    CHECK(std::any_of(chain.begin(), chain.end(), is_a(EventKind::allocate)));
}

std::string row(const std::string& name) {
  const RunReport report = run(name);
  const std::vector<check::Violation> all = first_ones(report);
  const check::Violation* const its = first_of(intended(name), all);
  if (its == nullptr) {
    return fmt::format("| none | | `{}` | {} | | |\n", name, report.verdicts.at(0).expected);
  }
  std::string others;
  for (const check::Violation& one : all) {
    if (one.invariant != its->invariant)
      others += (others.empty() ? "" : " ") + check::name_of(one.invariant);
  }
  return fmt::format("| {} | {} | `{}` | {} | {} | {} |\n", check::name_of(its->invariant),
                     check::info_of(its->invariant).bug_class, name, its->message,
                     format_time(Ps(its->time), 3), others);
}

}  // namespace

TEST_CASE("each defect shows what it expects, and is corrected beside it", "[inject][defects]") {
  const std::string name = GENERATE(from_range(names()));
  INFO(name);
  const RunReport report = run(name);
  for (const Verdict& verdict : report.verdicts) {
    INFO(verdict.expected << ": " << verdict.found);
    CHECK(verdict.met);
  }
  const Scenario scenario = read(name);
  CHECK(scenario.name == name);
  const std::vector<check::Violation> all = first_ones(report);
  if (corrected(name)) {
    const std::string wrong = name.substr(0, name.size() - suffix.size());
    REQUIRE(std::filesystem::exists(folder / (wrong + ".json")));
    CHECK(scenario.defects.empty());
    CHECK(first_of(intended(wrong), all) == nullptr);
    return;
  }
  CHECK(std::filesystem::exists(folder / (name + suffix + ".json")));
  CHECK(!scenario.expect.empty());
  // Or a parameter is what is wrong.
  CHECK(!(scenario.injections.empty() && scenario.defects.empty() && report.violations.empty()));
  CHECK((first_of(intended(name), all) != nullptr || !intended(name)));
  // What a defect leads to may come before what is injected besides.
  for (const check::Violation& one : all)
    check_chain(one, !scenario.injections.empty() &&
                         (scenario.defects.empty() || one.invariant == intended(name)));
}

TEST_CASE("each defect is found in its trace as it was in the run, chain by chain",
          "[inject][defects]") {
  const std::string name = GENERATE(from_range(names()));
  if (corrected(name)) return;
  INFO(name);
  const Scratch scratch;
  const Scenario scenario = read(name);
  RunOptions options;
  options.out = scratch.path();
  const RunReport report = run_scenario(scenario, folder, options);
  RunReader reader = RunReader::open(scratch / "run.db");
  check::Checker afterwards(reader.components(), scenario.checks);
  afterwards.expect_fields();
  reader.for_each_event([&](const TraceEvent& event) { afterwards.observe(event); });
  afterwards.finish();
  CHECK(afterwards.violations() == report.violations);
  CHECK(report.violations.empty() == !intended(name));
}

TEST_CASE("the table of defects is what they give", "[inject][defects]") {
  const std::string begin =
      "| invariant | bug class | scenario | first violation of it | at | also "
      "|\n|---|---|---|---|---|---|\n";
  std::string table = begin;
  for (const std::string& name : names())
    if (!corrected(name)) table += row(name);
  const std::filesystem::path readme = folder / "README.md";
  std::string text = contents(readme);
  const std::size_t at = text.find(begin);
  REQUIRE(at != std::string::npos);
  const std::size_t end = std::min(text.find("\n\n", at), text.size() - 1) + 1;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    text.replace(at, end - at, table);
    std::ofstream(readme) << text;
    return;
  }
  CHECK(text.substr(at, end - at) == table);
}
