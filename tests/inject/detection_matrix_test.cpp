// Every injection and every defect on six machines, and which invariants that violates: the table in
// scenarios/defects/detection.md, held against what each is meant to violate. UPDATE_GOLDEN=1 rewrites it.
// What comes and goes violates nothing.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/run.hpp"
#include "tests/inject/intended.hpp"
#include "tests/inject/matrix_rows.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::matrix;

namespace {

const std::filesystem::path folder =
    std::filesystem::path(VIOSIM_SOURCE_DIR) / "scenarios" / "defects";

RunReport run(const Machine& machine, const std::string& more) {
  return run_scenario(scenario_of(machine, more), folder, {});
}

// None where the machine has no such point.
std::optional<RunReport> run_if_possible(const Machine& machine, const std::string& more) {
  try {
    return run(machine, more);
  } catch (const ConfigError& error) {
    const std::string_view text = error.what();
    for (const char* const impossible : {"no component of it has", "which has no such point"})
      if (text.find(impossible) != std::string_view::npos) return {};
    throw;
  }
}

// In the order in which they are violated first.
std::vector<unsigned> violated(const RunReport& report) {
  std::vector<unsigned> all;
  for (const check::Violation& one : report.violations) {
    const auto number = static_cast<unsigned>(one.invariant);
    if (std::find(all.begin(), all.end(), number) == all.end()) all.push_back(number);
  }
  return all;
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

// What a row did to a machine.
struct Cell {
  bool happened = false;
  std::vector<unsigned> violated;
  std::string ending;

  std::string text() const {
    if (!happened) return "";
    std::string all;
    for (const unsigned one : violated) all += fmt::format("{}I{}", all.empty() ? "" : " ", one);
    if (!ending.empty()) all += (all.empty() ? "" : ", ") + ending;
    return all.empty() ? "-" : all;
  }
};

Cell cell(const Machine& machine, const std::string& more) {
  const std::optional<RunReport> report = run_if_possible(machine, more);
  if (!report || !fired(*report)) return {};
  return {true, violated(*report), ending(*report)};
}

// Each time; and where that violates nothing, once: the first time, or one of the next three.
Cell cell(const Machine& machine, const Row& row) {
  const Cell each = cell(machine, row.more);
  const bool counted = row.more.find("\"count\"") != std::string::npos ||
                       row.more.find("\"nth\"") != std::string::npos;
  if (each.text() != "-" || counted || row.more.starts_with("\"defects\"")) return each;
  for (int nth = 1; nth <= 4; ++nth) {
    std::string once = row.more;
    once.insert(once.find(" }]"), fmt::format(R"(, "nth": {})", nth));
    const Cell then = cell(machine, once);
    if (then.happened && then.text() != "-") return then;
  }
  return each;
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A row with what it did.
struct Line {
  Row row;
  Intended intended;
  std::vector<Cell> cells;
  std::vector<std::string> scenarios;
  std::string_view why = {};  // nothing is violated

  bool found() const {
    return std::any_of(cells.begin(), cells.end(),
                       [](const Cell& one) { return one.text().size() > 1; });
  }
  std::string text() const {
    std::string all = fmt::format("| {} | {} |", row.what, intended.text());
    for (const Cell& one : cells) all += one.happened ? fmt::format(" {} |", one.text()) : " |";
    std::string names;
    for (const std::string& name : scenarios)
      names += fmt::format("{}`{}`", names.empty() ? "" : ", ", name);
    all += names.empty() ? " |" : fmt::format(" {} |", names);
    return all + (why.empty() ? " |\n" : fmt::format(" {} |\n", why));
  }
};

std::vector<Line> all_lines() {
  const Shown shown;
  std::vector<Line> lines;
  for (Row& row : all_rows()) {
    Line line{std::move(row), {}, {}, {}};
    line.why = why_nothing(line.row.what);
    line.intended = intended(line.row.what);
    line.scenarios = shown.by(line.row);
    for (const Machine& machine : machines) line.cells.push_back(cell(machine, line.row));
    if (!line.row.only_found || line.found()) lines.push_back(std::move(line));
  }
  return lines;
}

bool is_one_of(unsigned number, const std::vector<unsigned>& all) {
  return std::find(all.begin(), all.end(), number) != all.end();
}

bool may_be_first(unsigned number, const Intended& intended, Users users) {
  return (users != Users::guest && is_one_of(number, intended.in_hosts)) ||
         (users != Users::host && is_one_of(number, intended.in_guests));
}

bool shown_by_a_scenario(const Line& line) {
  return std::any_of(line.scenarios.begin(), line.scenarios.end(), [&](const std::string& name) {
    const RunReport report =
        run_scenario(load_scenario(folder / (name + ".json"), {}, {}), folder, {});
    const std::vector<unsigned> all = violated(report);
    return std::any_of(all.begin(), all.end(),
                       [&](unsigned one) { return may_be_first(one, line.intended, Users::both); });
  });
}

// What trips first is what was meant; and what is meant trips somewhere, or it is said why not.
void check_intended(const Line& line) {
  INFO(line.text());
  bool tripped = line.intended.nothing();
  CHECK(line.intended.nothing() != line.why.empty());
  for (std::size_t i = 0; i < machines.size(); ++i) {
    const Cell& one = line.cells[i];
    if (one.violated.empty()) continue;
    CHECK(may_be_first(one.violated.front(), line.intended, machines[i].users));
    tripped = true;
  }
  CHECK((tripped || shown_by_a_scenario(line)));
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

TEST_CASE("each injection violates first what it is meant to, and the table says so",
          "[inject][matrix]") {
  const std::vector<Line> lines = all_lines();
  std::string now = "| injection | intended |";
  for (const Machine& machine : machines) now += fmt::format(" {} |", machine.name);
  now += " scenarios | why it violates nothing |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const Line& line : lines) {
    check_intended(line);
    now += line.text();
  }
  const std::filesystem::path file = folder / "detection.md";
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
  const auto nth = static_cast<unsigned>(GENERATE(1, 2, 5));
  // The guest's own: where host and guest do the same in turn, every other one is the host's.
  const std::string where = GENERATE("", R"(, "where": "host0.vm")");
  for (const NamedPoint& point : named_points()) {
    for (const char* const what :
         {R"("kill": "host0.vm")", R"("vanish": "host0.vm.v1")", R"("vanish": "host0.vm.acc")"}) {
      const std::string text =
          fmt::format(R"({}, "on": "{}", "nth": {}{})", what, point.name, nth, where);
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
