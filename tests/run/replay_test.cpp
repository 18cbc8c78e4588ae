// Replays of recordings of random guests: what the recorder's IOMMU decided follows from its rules
// alone, so the agreement is complete.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/recording/recording.hpp"
#include "sim/run/run.hpp"
#include "sim/verbs/presets.hpp"
#include "tests/run/random_recording.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>

using namespace viosim;
using namespace viosim::test;

namespace {

// One recording behind an IOMMU.
Scenario playing(const std::string& trace, const vtd::UnitParams& params) {
  VtdIommu iommu;
  iommu.name = "iommu";
  iommu.params = params;
  RecordedDevice device;
  device.name = "devices";
  device.iommu = "iommu";
  device.trace = trace;
  HostConfig host;
  host.name = "host0";
  host.iommus.emplace_back(iommu);
  host.devices.emplace_back(device);
  Scenario scenario;
  scenario.name = "playing";
  scenario.hosts.push_back(host);
  return scenario;
}

// The run of a recording on the IOMMU that `replay` takes for it, or on one of another mode.
RunReport played(const std::string& text, std::optional<vtd::Mode> mode = {}) {
  const Scratch scratch;
  const std::filesystem::path file = scratch / "random.jsonl";
  std::ofstream(file) << text;
  const RecordedStream stream = read_recording(file.string());
  vtd::UnitParams params = find_preset("", stream).params(stream);
  if (mode) params.mode = *mode;
  return run_scenario(playing(file.string(), params), std::filesystem::path(), {});
}

Agreement replayed(const std::string& text) { return played(text).agreements.at(0); }

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
  const std::size_t hit = text.find("\"r\":\"hit\"");
  REQUIRE(hit != std::string::npos);
  for (const std::string before : {"\"pa\":\"0x", "\"pte\":\"0x"})
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

TEST_CASE("a recorded device that changes domains finds its new one, PASID tables or not",
          "[replay]") {
  const std::string text =
      R"({"k":"meta","format":"viommu-trace/1","name":"moved","iommu":"virtio-iommu","strict":1,"records":7}
{"t":1000,"k":"attach","did":1,"sid":256}
{"t":1000,"k":"map","did":1,"iova":"0x1000","end":"0x1fff","pa":"0x5000","flags":3}
{"t":2000,"k":"req","sid":256,"iova":"0x1010","w":0,"r":"ok","pa":"0x5010"}
{"t":3000,"k":"detach","did":1,"sid":256}
{"t":4000,"k":"attach","did":2,"sid":256}
{"t":4000,"k":"map","did":2,"iova":"0x2000","end":"0x2fff","pa":"0x6000","flags":3}
{"t":5000,"k":"req","sid":256,"iova":"0x2010","w":0,"r":"ok","pa":"0x6010"}
)";
  const RunReport report = played(text, GENERATE(vtd::Mode::legacy, vtd::Mode::scalable));
  INFO(report.text);
  const std::string figures = to_text(report.json);
  CHECK(figures.find(R"("host0.iommu.walks": 2)") != std::string::npos);
  CHECK(figures.find(R"("host0.iommu.faults": 0)") != std::string::npos);
}

namespace {

// A sample of VT-d: a descriptor that flushes 2^mask pages between two requests.
std::string with_mask(unsigned mask) {
  return fmt::format(
      R"({{"k":"meta","format":"viommu-trace/1","name":"mask","iommu":"intel-vtd","strict":0,"caching_mode":false,"scalable_mode":false,"iotlb":{{"capacity":4}},"records":3}}
{{"t":1000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","sz":4096,"pte":"0x9003","did":5}}
{{"t":2000,"k":"inv","hi":"{:#x}","lo":"0x500f2"}}
{{"t":3000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","sz":4096,"pte":"0x9003","did":5}}
)",
      mask);
}

std::string problem_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const ConfigError& error) {
    return error.problems().at(0).text();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a descriptor whose mask the IOMMU does not take is a mistake of the recording",
          "[replay]") {
  CHECK(replayed(with_mask(18)).agreed == 2);
  CHECK_THAT(problem_of([] { replayed(with_mask(19)); }),
             Catch::Contains("line 3: read a descriptor with an address mask of 19; expected at "
                             "most 18, the max_address_mask of the IOMMU"));
}

TEST_CASE("a run that plays a recording in part has failed", "[replay]") {
  const RecordedStream stream = parse_recording("mask.jsonl", with_mask(19));
  Recordings recordings;
  recordings.emplace("mask", stream);
  Scenario scenario = playing("mask", find_preset("", stream).params(stream));
  SECTION("of its descriptors one is not taken") {
    const RunReport report = run_scenario(scenario, recordings, {});
    REQUIRE(report.verdicts.size() == 1);
    CHECK_FALSE(report.verdicts[0].met);
    CHECK_THAT(report.verdicts[0].found,
               Catch::Contains("host0.devices has played 4 of 5 records; the descriptor of line 3 "
                               "was never executed: an error stopped the queue"));
    CHECK(report.agreements.at(0).compared == 1);
    CHECK(report.agreements.at(0).comparable == 2);
  }
  SECTION("what the duration leaves out is not missed") {
    scenario.duration = Ps(1'500'000);
    const RunReport report = run_scenario(scenario, recordings, {});
    CHECK(report.verdicts.empty());
    CHECK(report.agreements.at(0).compared == 1);
    CHECK(report.agreements.at(0).comparable == 1);
  }
}

TEST_CASE("an invalidation of more pages than a descriptor covers is one of the domain",
          "[replay]") {
  const std::string text =
      R"({"k":"meta","format":"viommu-trace/1","name":"wide","iommu":"arm-smmuv3","strict":1,"iotlb":{"capacity":256},"records":3}
{"t":1000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","perm":"rw","asid":1,"tg":1,"lvl":3}
{"t":2000,"k":"inv","gran":"range","asid":1,"addr":"0x0","tg":1,"n":524288}
{"t":3000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","perm":"rw","asid":1,"tg":1,"lvl":3}
)";
  CHECK(replayed(text).agreed == 2);
}
