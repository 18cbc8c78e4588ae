// Every shipped scenario gives the figures that are recorded in results/. UPDATE_GOLDEN=1 rewrites them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace viosim;

namespace {

const std::filesystem::path source_tree = VIOSIM_SOURCE_DIR;

std::vector<std::filesystem::path> shipped_scenarios() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_tree / "scenarios")) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".json") && !name.ends_with(".schema.json")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The summary without what may differ between two runs of the same scenario.
std::string figures_of(const std::filesystem::path& scenario) {
  const RunReport report =
      run_scenario(load_scenario(scenario, {}, {}), scenario.parent_path(), {});
  Value json = report.json;
  std::erase_if(*json.if_object(), [](const Value::Member& member) {
    return member.key == "wall_seconds" || member.key == "database" || member.key == "trace_events";
  });
  return to_text(json, Layout::indented) + "\n";
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a shipped scenario gives the recorded figures", "[golden]") {
  const std::filesystem::path scenario = GENERATE(from_range(shipped_scenarios()));
  const std::string name = scenario.stem().string();
  const std::filesystem::path expected = source_tree / "results" / name / "expected.json";
  const std::string figures = figures_of(scenario);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(expected.parent_path());
    std::ofstream(expected) << figures;
  }
  INFO("scenario " << name << "; UPDATE_GOLDEN=1 rewrites " << expected);
  CHECK(figures == contents(expected));
}

TEST_CASE("a shipped scenario is named like its file, and names the shipped schema", "[golden]") {
  const std::filesystem::path file = GENERATE(from_range(shipped_scenarios()));
  const Scenario scenario = load_scenario(file, {}, {});
  CHECK(scenario.name == file.stem().string());
  CHECK(scenario.schema == "scenario.schema.json");
}

TEST_CASE("the shipped schema is the one that the program prints", "[golden]") {
  const std::string printed = to_text(schema<Scenario>("viosim scenario"), Layout::indented) + "\n";
  CHECK(contents(source_tree / "scenarios" / "scenario.schema.json") == printed);
}
