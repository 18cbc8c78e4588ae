// A whole run as Perfetto gets it: what a guest asks for flows through its vIOMMU and its host's IOMMU
// to the device.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/load.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/exported.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Slices = std::vector<Drawn>;

// Of the run of a scenario in this repository.
Slices drawn_of(const std::string& name) {
  const Scratch scratch;
  const auto file = std::filesystem::path(VIOSIM_SOURCE_DIR) / "scenarios" / name;
  const Scenario scenario = load_scenario(file, {}, {});
  RunOptions options;
  options.out = scratch / "run";
  run_scenario(scenario, file.parent_path(), options);
  return drawn_in(exported(*options.out / "run.db", TraceFormat::perfetto));
}

std::map<std::string, Slices> flows_of(const Slices& all) {
  std::map<std::string, Slices> flows;
  for (const Drawn& one : all)
    if (!one.flow.empty()) flows[one.flow].push_back(one);
  return flows;
}

// Names of components, by the numbers of their threads, without their lanes.
std::map<std::int64_t, std::string> threads_of(const Slices& all) {
  std::map<std::int64_t, std::string> names;
  for (const Drawn& one : all)
    if (one.name == "thread_name") names[one.track] = one.of.substr(0, one.of.find(" #"));
  return names;
}

}  // namespace

TEST_CASE("page requests flow from the device through guest, vIOMMU and IOMMU back", "[trace]") {
  const Slices all = drawn_of("guest-one-viommu.json");
  const auto threads = threads_of(all);
  using Steps = std::vector<std::pair<std::string, std::string>>;
  std::map<Steps, int> kinds;
  for (const auto& [id, flow] : flows_of(all)) {
    Steps steps;
    for (const Drawn& one : flow) steps.emplace_back(threads.at(one.track), one.name);
    ++kinds[steps];
  }
  const std::string queue = "host0.dmar0.invalidation_queue";
  const Steps page = {{"host0.acc", "page_request"},
                      {"host0.vm.v0.io_page_faults", "group_taken"},
                      {"host0.vm.v0", "submit"},
                      {"host0.vm.v0", "invalidate"},
                      {queue, "submit"},
                      {queue, "invalidate"},
                      {queue, "respond"},
                      {"host0.acc", "group_answered"}};
  CHECK(kinds[page] == 92);  // all of them
  const Steps allocation = {{"host0.vm.kernel.pasids", "allocate"},
                            {"host0.vm.v0", "command"},
                            {"host0.vm.v0", "command_done"},
                            {"host0.kernel.pasids", "allocate"}};
  CHECK(kinds[allocation] == 4);
  const Steps release = {{"host0.vm.kernel.pasids", "free"},
                         {"host0.vm.v0", "command"},
                         {"host0.vm.v0", "command_done"},
                         {"host0.kernel.pasids", "free"}};
  CHECK(kinds[release] == 4);
  const Steps bind = {
      {"host0.vm.v0", "submit"}, {"host0.vm.v0", "invalidate"}, {"host0.vm.vfio", "bind"}};
  CHECK(kinds[bind] == 4);
}

TEST_CASE(
    "every flow of a run has one beginning and one end, goes from slice to slice, and slices "
    "of a thread nest or do not overlap",
    "[trace]") {
  const auto* const name = GENERATE("guest-one-viommu.json", "native-sva.json");
  const Slices all = drawn_of(name);
  const auto flows = flows_of(all);
  REQUIRE(!flows.empty());
  int wrong = 0;
  for (const auto& [id, flow] : flows) {
    const auto begins = std::count_if(
        flow.begin(), flow.end(), [](const Drawn& one) { return one.flow_out && !one.flow_in; });
    const auto ends = std::count_if(flow.begin(), flow.end(),
                                    [](const Drawn& one) { return one.flow_in && !one.flow_out; });
    const bool slices =
        std::all_of(flow.begin(), flow.end(), [](const Drawn& one) { return one.phase == "X"; });
    const bool forwards = std::is_sorted(
        flow.begin(), flow.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    wrong += begins != 1 || ends != 1 || !slices || !forwards ? 1 : 0;
  }
  CHECK(wrong == 0);
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> tracks;  // begin, -end
  for (const Drawn& one : all)
    if (one.phase == "X") tracks[one.track].emplace_back(one.begin, -one.end);
  for (auto& [track, slices] : tracks) {
    std::sort(slices.begin(), slices.end());
    std::vector<std::int64_t> open;  // ends, the innermost last
    for (const auto& [begin, negative_end] : slices) {
      while (!open.empty() && open.back() <= begin) open.pop_back();
      wrong += !open.empty() && -negative_end > open.back() ? 1 : 0;
      open.push_back(-negative_end);
    }
  }
  CHECK(wrong == 0);
}
