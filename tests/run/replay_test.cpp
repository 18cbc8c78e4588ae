// Replays of recordings of random guests: what the recorder's IOMMU decided follows from its rules
// alone, so the agreement is complete.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/recording.hpp"
#include "sim/run/run.hpp"
#include "sim/verbs/presets.hpp"
#include "tests/run/random_recording.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <algorithm>
#include <fstream>

using namespace viosim;
using namespace viosim::test;

namespace {

Agreement replayed(const std::string& text) {
  const Scratch scratch;
  const std::filesystem::path file = scratch / "random.jsonl";
  std::ofstream(file) << text;
  const RecordedStream stream = read_recording(file.string());
  VtdIommu iommu;
  iommu.name = "iommu";
  iommu.params = find_preset("", stream).params(stream);
  RecordedDevice device;
  device.name = "devices";
  device.iommu = "iommu";
  device.trace = file.string();
  HostConfig host;
  host.name = "host0";
  host.iommus.emplace_back(iommu);
  host.devices.emplace_back(device);
  Scenario scenario;
  scenario.name = stream.name;
  scenario.hosts.push_back(host);
  return run_scenario(scenario, {}, {}).agreements.at(0);
}

void check_agreement(const RandomRecording& wanted) {
  const Agreement agreement = replayed(random_recording(wanted));
  CAPTURE(wanted.seed);
  if (!agreement.first.empty()) {
    WARN("first disagreement: line " << agreement.first[0].recorded.line);
  }
  CHECK(agreement.compared > wanted.steps / 2);
  CHECK(agreement.agreed == agreement.compared);
}

}  // namespace

TEST_CASE("a random recording agrees", "[replay]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 11)));
  check_agreement({.seed = seed, .strict = GENERATE(true, false)});
}

TEST_CASE("a hit at another address than the recorded one is a disagreement", "[replay]") {
  std::string text = random_recording({.seed = 1});
  const std::string before = "\"pa\":\"0x";
  const std::size_t hit = text.find("\"r\":\"hit\"");
  REQUIRE(hit != std::string::npos);
  text.insert(text.find(before, hit) + before.size(), "8");
  const Agreement agreement = replayed(text);
  CHECK(agreement.agreed == agreement.compared - 1);
  REQUIRE(agreement.first.size() == 1);
  CHECK(agreement.first[0].outcome == RecordedOutcome::hit);
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(hit), '\n');
  CHECK(agreement.first[0].recorded.line == line);
}

TEST_CASE("a random recording with a small IOTLB, which is emptied when full, agrees", "[replay]") {
  check_agreement({.seed = static_cast<std::uint64_t>(GENERATE(range(1, 6))), .capacity = 16});
}

TEST_CASE("a random recording with pages of 2 MiB agrees", "[replay]") {
  check_agreement({.seed = static_cast<std::uint64_t>(GENERATE(range(1, 6))), .large_pages = true});
}

TEST_CASE("a random recording in scalable mode, where devices change domains, agrees", "[replay]") {
  check_agreement({.seed = static_cast<std::uint64_t>(GENERATE(range(1, 11))), .scalable = true});
}

TEST_CASE("a random recording whose probes missed half of the maps agrees", "[replay]") {
  check_agreement({.seed = static_cast<std::uint64_t>(GENERATE(range(1, 6))),
                   .large_pages = GENERATE(true, false),
                   .probed_percent = 50});
}
