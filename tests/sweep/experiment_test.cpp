// From the number of a run to its scenario, and what is said when that is wrong.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/experiment.hpp"

#include "core/base/rng.hpp"
#include "sim/json/json.hpp"
#include "sim/sweep/differences.hpp"
#include "sim/sweep/journal.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fstream>
#include <set>
#include <string>

using namespace viosim;

namespace {

constexpr const char* entries_axis =
    R"({"name": "e", "pointer": "/hosts/0/iommus/0/iotlb/entries", "values": [64, 128]})";

class Files {
 public:
  explicit Files(const std::string& more) {
    std::ofstream(scratch_ / "s.json") << R"({"name": "s", "scenario": ")" << VIOSIM_SOURCE_DIR
                                       << R"(/scenarios/one-device.json")" << more << "}";
  }
  std::filesystem::path sweep() const { return scratch_ / "s.json"; }

 private:
  Scratch scratch_;
};

std::string problems_of(const std::string& more) {
  const Files files(more);
  try {
    Experiment(files.sweep()).check_each_value();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a check tells which value it is at, the last one included", "[sweep]") {
  // Five points that are zipped, or the first one and each of ten values.
  const std::string design = GENERATE("zipped", "grid");
  const std::string values = R"("values": [1, 2, 3, 4, 5]})";
  const Files files(R"(, "design": ")" + design +
                    R"(", "axes": [{"name": "a", "pointer": "/hosts/0/devices/0/requests", )" +
                    values + R"(, {"name": "b", "pointer": "/hosts/0/iommus/0/walkers", )" +
                    values + "]");
  const std::uint64_t all = design == "zipped" ? 5 : 11;
  std::uint64_t told = 0;
  Experiment(files.sweep()).check_each_value([&](const CheckShare& share) {
    CHECK(share.done == told++);
    CHECK(share.all == all);
  });
  CHECK(told == all);
}

TEST_CASE("what the values of axes are set in is told apart, also where the first run hides it",
          "[sweep]") {
  const Scratch scratch;
  std::ofstream(scratch / "s.json") << R"({"name": "s", "scenario": "base.json", "axes": [
    {"name": "walk", "variants": [
      {"name": "slow", "set": {"/hosts/0/iommus/0/walk_read": "1 us"}},
      {"name": "as-it-is", "set": {"/hosts/0/iommus/0/walkers": 2}}]}]})";
  const auto identity = [&](const std::string& walk_read) {
    std::ofstream(scratch / "base.json") << R"({"name": "b", "hosts": [{"name": "host0",
      "iommus": [{"name": "dmar0", "model": "vtd", "walk_read": ")"
                                         << walk_read << R"("}],
      "devices": [{"name": "dev", "model": "dma", "iommu": "dmar0", "requests": 10,
        "traffic": {"pattern": "sequential", "window": "4 KiB", "request": "64 B"}}]}]})";
    Experiment experiment(scratch / "s.json");
    experiment.check_each_value();
    return identity_of(experiment);
  };
  const SweepIdentity begun = identity("80 ns");
  CHECK(begun == identity("80 ns"));
  const SweepIdentity changed = identity("8 us");
  CHECK(changed.at("scenario") == begun.at("scenario"));
  CHECK_THROWS_WITH(check_same_sweep("sweep.runs", begun, changed),
                    "sweep.runs: cannot be resumed: the scenario was another one with some value "
                    "of an axis; that of the first run is the same");
}

TEST_CASE("a part of the scenario stays as it was read, whatever becomes of its file", "[sweep]") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "parts");
  const auto write_part = [&](const std::string& walk_read) {
    std::ofstream(scratch / "parts" / "mine.json")
        << R"({"description": "d", "source": "s", "content": {"model": "vtd", "walk_read": ")"
        << walk_read << R"("}})";
  };
  write_part("80 ns");
  std::ofstream(scratch / "base.json") << R"({"name": "b", "hosts": [{"name": "host0",
    "iommus": [{"part": "mine", "name": "dmar0"}],
    "devices": [{"name": "dev", "model": "dma", "iommu": "dmar0", "requests": 10}]}]})";
  std::ofstream(scratch / "s.json") << R"({"name": "s", "scenario": "base.json", "replicates": 2})";
  Experiment experiment(scratch / "s.json");
  experiment.check_each_value();
  const auto walk_read = [&](std::uint64_t run) {
    const Scenario scenario = experiment.scenario(experiment.run(run));
    return std::get<VtdIommu>(scenario.hosts[0].iommus[0]).params.walk_read;
  };
  CHECK(walk_read(0) == 80ns);
  write_part("900 ns");
  CHECK(walk_read(1) == 80ns);
  std::filesystem::remove_all(scratch / "parts");
  CHECK(walk_read(0) == 80ns);
}

TEST_CASE("a scenario is found from where the sweep's file is, also through a link", "[sweep]") {
  const Scratch scratch;
  std::filesystem::create_directories(scratch / "there" / "sweeps");
  std::filesystem::create_directories(scratch / "here");
  const auto write_base = [&](const char* where, const char* name) {
    std::ofstream(scratch / where / "base.json")
        << R"({"name": ")" << name << R"(", "hosts": [{"name": "host0",
      "iommus": [{"name": "dmar0", "model": "vtd"}],
      "devices": [{"name": "dev", "model": "dma", "iommu": "dmar0", "requests": 10}]}]})";
  };
  write_base("there", "right");
  write_base("here", "wrong");
  std::ofstream(scratch / "there" / "sweeps" / "s.json")
      << R"({"name": "s", "scenario": "../base.json"})";
  std::filesystem::create_directory_symlink(scratch / "there" / "sweeps",
                                            scratch / "here" / "sweeps");
  for (const char* const from : {"there", "here"}) {
    const Experiment experiment(scratch / from / "sweeps" / "s.json");
    CHECK(experiment.scenario(experiment.run(0)).name == "right");
  }
  CHECK(Experiment(scratch / "there" / "sweeps" / "s.json").scenario_file() ==
        scratch / "there" / "base.json");
}

TEST_CASE("runs are numbered by point and replicate, and each has a seed of its own", "[sweep]") {
  const Files files(std::string(R"(, "replicates": 3, "axes": [)") + entries_axis + "]");
  const Experiment experiment(files.sweep());
  REQUIRE(experiment.most_runs() == 6);
  std::set<std::uint64_t> seeds;
  for (std::uint64_t n = 0; n < 6; ++n) {
    const SweepRun run = experiment.run(n);
    CHECK(run.number == n);
    CHECK(run.point == n / 3);
    CHECK(run.replicate == n % 3);
    CHECK(experiment.scenario(run).seed == run.seed);
    CHECK(run.seed < (std::uint64_t{1} << 63U));
    seeds.insert(run.seed);
  }
  CHECK(seeds.size() == 6);
}

TEST_CASE("the derivation of seeds is the documented one", "[sweep]") {
  const Files files(R"(, "seed": 42, "replicates": 2)");
  const Experiment experiment(files.sweep());
  CHECK(experiment.run(1).seed == Rng(42, "run/1").next() >> 1U);
}

TEST_CASE("common seeds depend on the replicate alone", "[sweep]") {
  const Files files(std::string(R"(, "replicates": 2, "seeds": "common", "axes": [)") +
                    entries_axis + "]");
  const Experiment experiment(files.sweep());
  CHECK(experiment.run(0).seed == experiment.run(2).seed);
  CHECK(experiment.run(1).seed == experiment.run(3).seed);
  CHECK(experiment.run(0).seed != experiment.run(1).seed);
}

TEST_CASE("a run's scenario has what its point says", "[sweep]") {
  const Files files(std::string(R"(, "set": {"/description": "it's"}, "axes": [)") + entries_axis +
                    "]");
  const Experiment experiment(files.sweep());
  const Scenario scenario = experiment.scenario(experiment.run(1));
  CHECK(std::get<VtdIommu>(scenario.hosts[0].iommus[0]).params.iotlb.entries == 128);
  CHECK(scenario.description == "it's");
  CHECK_THAT(
      experiment.replay(experiment.run(1)),
      Catch::StartsWith("/") && Catch::Contains(" run /") &&
          Catch::EndsWith(
              R"(--set '/description="it'\''s"' --set /hosts/0/iommus/0/iotlb/entries=128)"));
}

TEST_CASE("values that the scenario refuses are told with the axis that they come from",
          "[sweep]") {
  CHECK(problems_of(std::string(R"(, "axes": [)") + entries_axis + "]").empty());
  const std::string misspelt = problems_of(
      R"(, "axes": [{"name": "w", "pointer": "/hosts/0/iommus/0/wakers", "values": [1]}])");
  CHECK_THAT(misspelt, Catch::Contains("/hosts/0/iommus/0/wakers") &&
                           Catch::Contains("did you mean \"walkers\"?") &&
                           Catch::Contains("(set by axis \"w\" of "));
  CHECK_THAT(
      problems_of(R"(, "axes": [{"name": "w", "pointer": "/hosts/3/name", "values": ["a"]}])"),
      Catch::Contains("s.json: /axes/0: /hosts/3/name of ") && Catch::Contains("number 0"));
  CHECK_THAT(problems_of(R"(, "set": {"/duration": "2 parsec"})"),
             Catch::Contains("(set by /set of "));
}

TEST_CASE("a scenario that is not there is told with who named it", "[sweep]") {
  Scratch scratch;
  std::ofstream(scratch / "s.json") << R"({"name": "s", "scenario": "nowhere.json"})";
  CHECK_THROWS_WITH(Experiment(scratch / "s.json"),
                    Catch::Contains("nowhere.json") && Catch::Contains("named by /scenario of "));
}

TEST_CASE("differences of documents are told by their pointers", "[sweep]") {
  const auto of = [](const char* text) { return parse_json(text, "d"); };
  CHECK(differences_of(of(R"({"a": [1, 2]})"), of(R"({"a": [1, 2]})")).empty());
  CHECK(differences_of(of(R"({"a": [1, 2], "b": 1})"), of(R"({"a": [1, 3, 4], "c": "x"})")) ==
        std::vector<Difference>{{"/a/1", "2", "3"},
                                {"/a/2", "absent", "4"},
                                {"/b", "1", "absent"},
                                {"/c", "absent", "\"x\""}});
}
