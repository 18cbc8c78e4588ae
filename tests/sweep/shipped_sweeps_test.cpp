// The sweeps of scenarios/sweeps, checked by the real program.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <filesystem>
#include <string>
#include <vector>

using namespace viosim;
using test::Bench;
using test::Ended;

namespace {

std::vector<std::string> json_in(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  return files;
}

}  // namespace

TEST_CASE("shipped sweeps are sound, and the scenarios made for them run as they expect",
          "[sweep]") {
  const Bench bench("");
  const std::filesystem::path folder = test::scenarios + "sweeps";
  const std::vector<std::string> sweeps = json_in(folder);
  CHECK(sweeps.size() >= 5);
  for (const std::string& sweep : sweeps) {
    const Ended checked = bench.program({"validate", sweep});
    INFO(checked.output);
    CHECK(checked.exit_code() == 0);
    CHECK(bench.program({"sweep", sweep, "--dry-run"}).exit_code() == 0);
  }
  for (const std::string& scenario : json_in(folder / "base")) {
    const std::string out = (bench.scratch() / "base").string();
    const Ended ran = bench.program({"run", scenario, "--trace", "off", "--out", out});
    INFO(scenario << ": " << ran.output);
    CHECK(ran.exit_code() == 0);
  }
}
