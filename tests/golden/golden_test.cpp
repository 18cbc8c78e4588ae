// Every shipped scenario gives the figures that are recorded in results/. UPDATE_GOLDEN=1 rewrites them.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "sim/json/json.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/run.hpp"
#include "sim/scenario/document_schema.hpp"
#include "sim/scenario/parts.hpp"
#include "tests/golden/run_contents.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

const std::filesystem::path source_tree = VIOSIM_SOURCE_DIR;

std::vector<std::filesystem::path> scenarios_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_tree / folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".json") && !name.ends_with(".schema.json")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::filesystem::path> shipped_scenarios() { return scenarios_in("scenarios"); }

const std::filesystem::path errors = std::filesystem::path("scenarios") / "errors";

std::vector<std::filesystem::path> recorded_scenarios() {
  std::vector<std::filesystem::path> files = shipped_scenarios();
  for (std::filesystem::path& file : scenarios_in(errors)) files.push_back(std::move(file));
  return files;
}

// results/NAME, results/errors/NAME
std::filesystem::path record_of(const std::filesystem::path& scenario) {
  const std::filesystem::path within = scenario.lexically_relative(source_tree / "scenarios");
  return source_tree / "results" / within.parent_path() / scenario.stem() / "expected.json";
}

Value run_into(const std::filesystem::path& out, const std::filesystem::path& scenario,
               Progress* progress = nullptr) {
  RunOptions options;
  options.out = out;
  options.progress = progress;
  return run_scenario(load_scenario(scenario, {}, {}), scenario.parent_path(), options).json;
}

bool is_error(const std::filesystem::path& scenario) {
  return scenario.parent_path() == source_tree / errors;
}

// The summary without what may differ between two runs of the same scenario, and the trace. Of the
// many small ones of errors without metrics that are 0, as most are.
std::string figures_of(const std::filesystem::path& scenario, const std::filesystem::path& out) {
  Value json = run_into(out, scenario);
  std::erase_if(*json.if_object(), [](const Value::Member& member) {
    return member.key == "wall_seconds" || member.key == "database";
  });
  for (Value::Member& member : *json.if_object()) {
    if (member.key != "metrics" || !is_error(scenario)) continue;
    std::erase_if(*member.value.if_object(),
                  [](const Value::Member& metric) { return to_text(metric.value) == "0"; });
  }
  add(*json.if_object(), "trace_xxh64", trace_digest_of(out / "run.db"));
  return to_text(json, Layout::indented) + "\n";
}

// Names of the kinds of event in a run's trace.
std::set<std::string> kinds_in(const std::filesystem::path& database) {
  RunReader run = RunReader::open(database);
  std::map<std::uint16_t, std::string> names;
  for (const EventKindRow& row : run.kinds()) names[row.kind] = row.name;
  std::set<std::string> kinds;
  run.for_each_event([&](const TraceEvent& event) {
    const auto name = names.find(event.kind);
    if (name == names.end()) return;
    kinds.insert(name->second);
    names.erase(name);
  });
  return kinds;
}

std::set<std::string> kinds_in_records() {
  std::set<std::string> kinds;
  for (const auto& entry : std::filesystem::directory_iterator(source_tree / "results")) {
    if (std::filesystem::exists(entry.path() / "run.db"))
      kinds.merge(kinds_in(entry.path() / "run.db"));
  }
  return kinds;
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a shipped scenario gives the recorded figures", "[golden]") {
  const std::filesystem::path scenario = GENERATE(from_range(recorded_scenarios()));
  const std::string name = scenario.stem().string();
  const std::filesystem::path expected = record_of(scenario);
  const Scratch scratch;
  const std::string figures = figures_of(scenario, scratch.path());
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(expected.parent_path());
    std::ofstream(expected) << figures;
  }
  INFO("scenario " << name << "; UPDATE_GOLDEN=1 rewrites " << expected);
  CHECK(figures == contents(expected));
  // Otherwise nothing could tell which event of this kind is the first that a change moves.
  static const std::set<std::string> recorded = kinds_in_records();
  for (const std::string& kind : kinds_in(scratch / "run.db")) {
    INFO("kind " << kind << " is in no record of results/");
    CHECK(recorded.contains(kind));
  }
}

TEST_CASE("a scenario of something that goes wrong sees what it expects", "[golden]") {
  const std::filesystem::path file = GENERATE(from_range(scenarios_in(errors)));
  const Scenario scenario = load_scenario(file, {}, {});
  INFO("scenario " << file);
  CHECK(scenario.name == file.stem().string());
  const RunReport report = run_scenario(scenario, file.parent_path(), {});
  CHECK(report.verdicts.size() == scenario.expect.size());
  CHECK(!report.verdicts.empty());
  for (const Verdict& verdict : report.verdicts) CHECK(verdict.met);
}

TEST_CASE("guests that move or flush in a crowd violate nothing by a queue of hardware's",
          "[golden]") {
  const std::filesystem::path file = source_tree / "scenarios" /
                                     GENERATE("guest-vfio.json", "guest-iommufd.json",
                                              "viommu-hotplug.json", "migrate-system-wide.json");
  Scenario scenario = load_scenario(file, {}, {});
  for (HostConfig& host : scenario.hosts)
    for (GuestConfig& guest : host.guests)
      for (ViommuConfig& viommu : guest.viommus) viommu.params.direct_invalidation = true;
  INFO("scenario " << file);
  const Scratch scratch;
  RunOptions options;
  options.out = scratch.path();
  for (const Verdict& verdict : run_scenario(scenario, file.parent_path(), options).verdicts)
    CHECK(verdict.met);
}

TEST_CASE("viommu-hotplug takes vIOMMUs away with a command outstanding, which is completed",
          "[golden]") {
  const Scratch scratch;
  run_into(scratch.path(), source_tree / "scenarios" / "viommu-hotplug.json");
  RunReader run = RunReader::open(scratch / "run.db");
  std::map<std::string, std::int64_t> unplugged{{"host0.orderly.v0", 1'000'000'000}};  // ps
  std::map<std::string, std::int64_t> written;
  std::set<std::string> over_it;
  run.for_each_event([&](const TraceEvent& event) {
    const std::string& who = run.components()[event.component];
    const auto kind = static_cast<EventKind>(event.kind);
    if (kind == EventKind::viommu && event.code == trace_code::viommu_leaves)
      unplugged[who] = event.time;
    if (kind == EventKind::command) written[who] = event.time;
    if (kind != EventKind::command_done || !unplugged.contains(who)) return;
    if (written[who] < unplugged[who] && unplugged[who] < event.time) over_it.insert(who);
  });
  CHECK(over_it == std::set<std::string>{"host0.orderly.v0", "host0.surprise.v0"});
}

TEST_CASE("two runs of a shipped scenario fill their databases with the same bytes", "[golden]") {
  const std::filesystem::path scenario = GENERATE(from_range(shipped_scenarios()));
  const Scratch first;
  const Scratch second;
  run_into(first.path(), scenario);
  run_into(second.path(), scenario);
  const std::string tables = tables_of(first / "run.db");
  INFO("scenario " << scenario.stem());
  CHECK(tables.find("trace_block\n0,") != std::string::npos);
  CHECK((tables == tables_of(second / "run.db")));  // too long to be printed
}

TEST_CASE("a run that is watched closely fills its database with the same bytes", "[golden]") {
  const std::filesystem::path scenario = GENERATE(from_range(shipped_scenarios()));
  const Scratch alone;
  const Scratch watched;
  run_into(alone.path(), scenario);
  std::size_t shown = 0;
  Progress progress([&](std::string_view text) { shown += text.empty() ? 0U : 1U; });
  {
    progress.ask();
    const Ticker ticker(1ms, [&] { progress.ask(); });
    run_into(watched.path(), scenario, &progress);
  }
  INFO("scenario " << scenario.stem());
  CHECK(shown > 1);
  CHECK((tables_of(alone / "run.db") == tables_of(watched / "run.db")));  // too long to be printed
}

TEST_CASE("a shipped scenario is named like its file, and names the shipped schema", "[golden]") {
  const std::filesystem::path file = GENERATE(from_range(shipped_scenarios()));
  const Scenario scenario = load_scenario(file, {}, {});
  CHECK(scenario.name == file.stem().string());
  CHECK(scenario.schema == "scenario.schema.json");
}

TEST_CASE("a shipped scenario says what it expects, and that is what comes", "[golden]") {
  const std::filesystem::path file = GENERATE(from_range(shipped_scenarios()));
  const Scenario scenario = load_scenario(file, {}, {});
  CAPTURE(file);
  CHECK_FALSE(scenario.expect.empty());
  for (const Verdict& verdict : run_scenario(scenario, file.parent_path(), {}).verdicts) {
    INFO(verdict.expected << ": " << verdict.found);
    CHECK(verdict.met);
  }
}

TEST_CASE("every shipped part is a sound link, IOMMU, device or guest", "[golden]") {
  const std::filesystem::path parts = source_tree / "scenarios" / "parts";
  const auto put_in = [&](const std::string& part, const std::string& members) {
    const std::string file = (source_tree / "scenarios" / "any.json").string();
    const std::string text = "{\"part\": \"" + part + "\"" + members + "}";
    return assemble(parse_json(text, file), file).document;
  };
  std::size_t links = 0;
  std::size_t iommus = 0;
  std::size_t devices = 0;
  std::size_t guests = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(parts)) {
    if (entry.path().extension() != ".json") continue;
    const std::string folder = entry.path().parent_path().filename().string();
    const std::string part = folder + "/" + entry.path().stem().string();
    CAPTURE(part);
    if (folder == "links") {
      CHECK_NOTHROW(read_document<LinkParams>(put_in(part, ""), part));
      ++links;
    } else if (folder == "iommus") {
      CHECK_NOTHROW(read_document<IommuConfig>(put_in(part, R"(, "name": "i")"), part));
      ++iommus;
    } else if (folder == "guests") {
      CHECK_NOTHROW(read_document<GuestConfig>(put_in(part, ""), part));
      ++guests;
    } else {
      CHECK_NOTHROW(
          read_document<DeviceConfig>(put_in(part, R"(, "name": "d", "iommu": "i")"), part));
      ++devices;
    }
  }
  CHECK(links >= 2);
  CHECK(iommus >= 4);
  CHECK(devices >= 2);
  CHECK(guests >= 1);
}

TEST_CASE("the shipped schema is the one that the program prints", "[golden]") {
  const std::string printed = to_text(scenario_schema(), Layout::indented) + "\n";
  CHECK(contents(source_tree / "scenarios" / "scenario.schema.json") == printed);
}
