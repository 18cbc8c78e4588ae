// What usual runs take, checks included, and the trace but for a thousand device TLBs: at most 50 MB and 200 bytes for
// each mapped page beyond what a run without devices takes, which is the program's and SimGrid's.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace viosim;

namespace {

namespace fs = std::filesystem;

// The largest resident size of a run, in bytes.
std::uint64_t peak_of_run(const fs::path& scenario, const fs::path& out, const char* trace) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(126);
    ::execl(VIOSIM_PROGRAM, "viosim", "run", scenario.c_str(), "--out", out.c_str(), "--trace",
            trace, static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  REQUIRE(::wait4(child, &status, 0, &usage) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return static_cast<std::uint64_t>(usage.ru_maxrss) << 10U;
}

fs::path written(const Scratch& scratch, const std::string& devices) {
  const fs::path file = scratch / "scenario.json";
  std::ofstream(file) << fmt::format(
      R"({{"name": "m", "hosts": [{{"name": "h", "iommus": [{{"name": "i", "model": "vtd"}}], "devices": [{}]}}]}})",
      devices);
  return file;
}

}  // namespace

TEST_CASE("a usual run keeps within its memory", "[memory]") {
  struct Usual {
    std::string scenario;  // of scenarios/, or devices of one
    std::uint64_t pages;   // that are mapped
    const char* trace = "full";
  };
  const auto usual = GENERATE(
      Usual{"nvme-random-4k.json", 0}, Usual{"sixteen-tenants.json", 0},
      Usual{R"({"name": "d", "model": "dma", "iommu": "i", "count": 1000, "requests": 1000,
                "outstanding": 64, "traffic": {"window": "64 KiB"}})",
            16'000},
      Usual{
          R"({"name": "d", "model": "dma", "iommu": "i", "count": 1000, "requests": 1000, "pasid": 1,
                "ats": {}, "outstanding": 64, "traffic": {"window": "64 KiB"}})",
          16'000, "off"},
      Usual{R"({"name": "d", "model": "dma", "iommu": "i", "count": 16, "requests": 50000,
                "outstanding": 1024, "traffic": {"window": "256 MiB"}})",
            1'048'576});
  const Scratch scratch;
  const std::uint64_t nothing = peak_of_run(written(scratch, ""), scratch / "nothing", usual.trace);
  const bool shipped = usual.scenario.ends_with(".json");
  const fs::path file = shipped ? fs::path(VIOSIM_SOURCE_DIR) / "scenarios" / usual.scenario
                                : written(scratch, usual.scenario);
  const std::uint64_t peak = peak_of_run(file, scratch / "run", usual.trace);
  CAPTURE(usual.scenario, nothing, peak);
  CHECK(peak > nothing);
  CHECK(peak - nothing < 50'000'000 + 200 * usual.pages);
}
