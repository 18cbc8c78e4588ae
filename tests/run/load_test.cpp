// All that can be said about a scenario's file is said at once; what only follows from a mistake is not.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/load.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

using namespace viosim;

namespace {

std::vector<Problem> problems_of(const std::string& text) {
  const Scratch scratch;
  const std::filesystem::path file = scratch / "s.json";
  std::ofstream(file) << text;
  try {
    const LoadedScenario loaded = load_with_recordings(file);
    check_plan(loaded.scenario, loaded.recordings);
  } catch (const ConfigError& error) {
    return error.problems();
  }
  return {};
}

std::vector<std::string> messages(const std::string& text) {
  std::vector<std::string> all;
  for (const Problem& problem : problems_of(text)) all.push_back(problem.message);
  return all;
}

// The places of what is wrong with this text, in order: pointers, and "line 1" of recordings.
std::vector<std::string> places(const std::string& text) {
  std::vector<std::string> all;
  for (const Problem& problem : problems_of(text)) {
    const std::string name = std::filesystem::path(problem.file).filename().string();
    all.push_back(name == "s.json" ? problem.pointer : name);
  }
  std::sort(all.begin(), all.end());
  return all;
}

using Places = std::vector<std::string>;

const std::string iommu = R"({"name": "i", "model": "vtd"})";
const std::string dma = R"({"name": "e", "model": "dma", "iommu": "i", "requests": 9})";

std::string scenario(const std::string& more, const std::string& iommus, const std::string& devices,
                     const std::string& expect) {
  return R"({"name": "s", )" + more + R"("hosts": [{"name": "h", "iommus": [)" + iommus +
         R"(], "devices": [)" + devices + R"(]}], "expect": [)" + expect + "]}";
}

}  // namespace

TEST_CASE("a scenario without a mistake is loaded", "[load]") {
  CHECK(places(scenario("", iommu, dma, R"({"metric": "h.e.requests", "above": 3})")).empty());
}

TEST_CASE("a key that comes twice does not hide what else is wrong", "[load]") {
  CHECK(places(scenario(R"("seed": 1, "seed": 2, "duration": 5, )", iommu, dma, "")) ==
        Places{"/duration", "/seed"});
}

TEST_CASE("a wrong value does not hide references, recordings and expectations", "[load]") {
  const std::string recording =
      R"({"name": "r", "model": "recording", "iommu": "i", "trace": "nowhere.jsonl"})";
  CHECK(places(scenario(
            R"("seed": -1, )", iommu,
            R"({"name": "e", "model": "dma", "iommu": "ii", "requests": "x"}, )" + recording,
            R"({"metric": "h.i.iotlb.hitrate", "above": 0.1})")) ==
        Places{"/expect/0/metric", "/hosts/0/devices/0/iommu", "/hosts/0/devices/0/requests",
               "/seed", "nowhere.jsonl"});
}

TEST_CASE("a recording that cannot be read hides neither expectations nor who shares its IOMMU",
          "[load]") {
  const std::string recording =
      R"({"name": "r", "model": "recording", "iommu": "i", "trace": "nowhere.jsonl"})";
  CHECK(places(scenario("", iommu, recording + ", " + dma, "")) ==
        Places{"/hosts/0/devices/1/iommu", "nowhere.jsonl"});
  CHECK(places(scenario("", iommu, recording, R"({"metric": "h.i.foo", "above": 1})")) ==
        Places{"/expect/0/metric", "nowhere.jsonl"});
}

TEST_CASE("a clause that cannot be read does not hide the others", "[load]") {
  CHECK(
      places(scenario(
          "", iommu, dma,
          R"({"metrik": 1}, {"metric": "h.e.requests", "above": 1}, {"metric": "h.e.foo", "above": 1})")) ==
      Places{"/expect/0", "/expect/0/metrik", "/expect/2/metric"});
}

TEST_CASE("what follows from a mistake is not said", "[load]") {
  SECTION("figures of what cannot be read") {
    const std::string what = GENERATE(R"({"metric": "h.e.requests", "above": 1})",
                                      R"({"metric": "h.*.requests", "above": 1})");
    CHECK(places(scenario("", iommu, R"({"name": "e", "model": "dam", "iommu": "i"})", what)) ==
          Places{"/hosts/0/devices/0/model"});
  }
  SECTION("what would be in a part that is not there") {
    CHECK(places(scenario("", R"({"name": "i", "part": "nowhere"})", dma, "")) ==
          Places{"/hosts/0/iommus/0/part"});
  }
  SECTION("which of two names is meant") {
    CHECK(places(scenario("", R"({"name": "k", "name": "i", "model": "vtd"})",
                          R"({"name": "e", "model": "dma", "iommu": "k", "requests": 9})",
                          R"({"metric": "h.i.walks", "above": 1})")) ==
          Places{"/hosts/0/iommus/0/name"});
  }
}

TEST_CASE("a component that is one takes no index, and the path without it is told", "[load]") {
  const auto [read, meant] = GENERATE(table<std::string, std::string>(
      {{"h.e[0].requests", R"("e" is one, without an index; did you mean "h.e.requests"?)"},
       {"h.e[*].dma.p99", R"("e" is one, without an index; did you mean "h.e.dma.p99"?)"},
       {"h.i.iotlb[1].hits", R"("iotlb" is one, without an index; did you mean "h.i.iotlb.hits"?)"},
       {"h[0].e.requests", R"("h" is one, without an index; did you mean "h.e.requests"?)"},
       {"h.e[0-].requests", "an index is a number, a range such as 0-3, a list of them, or *"}}));
  const std::vector<std::string> all =
      messages(scenario("", iommu, dma, R"({"metric": ")" + read + R"(", "above": 3})"));
  REQUIRE(all.size() == 1);
  INFO(all[0]);
  CHECK(all[0].find(meant) != std::string::npos);
}
