// Whole runs whose software invalidates: devices that never confirm it, more of them than the ring holds, rings
// of the least and the largest size.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

using namespace viosim;

namespace {

RunReport run(const std::string& host, const std::string& duration) {
  const std::string text =
      R"({"name": "invalidations")" + duration + R"(, "hosts": [{"name": "h", )" + host + "}]}";
  const Scenario scenario = read_scenario(parse_json(text, "f"), "f");
  return run_scenario(scenario, std::filesystem::path(), {});
}

std::uint64_t metric(const RunReport& report, const std::string& name) {
  for (const auto& [key, value] : *report.json.if_object()) {
    if (key != "metrics") continue;
    for (const auto& [metric, figure] : *value.if_object())
      if (metric == name) return std::stoull(to_text(figure));
  }
  FAIL("there is no " << name);
  return 0;
}

// A host that migrates pages of these devices.
std::string migrating(const std::string& iommu, const std::string& device) {
  return R"("kernel": {"migrate_every": "5 us"}, "iommus": [{"name": "i", )" + iommu +
         R"(}], "devices": [{"name": "d", "model": "dma", "iommu": "i", "interval": "1 us", )" +
         device + R"(, "traffic": {"pattern": "uniform", "window": "64 KiB"}}])";
}

}  // namespace

TEST_CASE(
    "a device that never confirms ends the migration of its pages, however many requests are under "
    "way",
    "[run]") {
  const std::string outstanding = GENERATE("1", "2", "128");
  const std::string keeps = GENERATE("", R"("keep_invalidated": true, )");
  CAPTURE(outstanding, keeps);
  const std::string host = migrating(
      R"("model": "vtd", "invalidation": {"device_tlb_timeout": "3 us", "outstanding": )" +
          outstanding + "}",
      R"("ats": {"entries": 8, "misbehaviour": {)" + keeps + R"("never_answer": true}})");
  CHECK_THROWS_AS(run(host, R"(, "duration": "50 ms")"), LivelockError);
}

TEST_CASE("a kernel is told of what a device never confirms, however many requests are under way",
          "[run]") {
  const std::string outstanding = GENERATE("1", "2", "128");
  CAPTURE(outstanding);
  const RunReport report = run(
      R"("iommus": [{"name": "i", "model": "vtd", "invalidation": {"device_tlb_timeout": "5 us",
         "outstanding": )" +
          outstanding + R"(}}], "devices": [{"name": "acc", "model": "accelerator", "iommu": "i",
         "ats": {"misbehaviour": {"never_answer": true}}}],
         "processes": [{"name": "p", "devices": ["acc"], "rounds": 4, "unmap": 8,
                        "work": {"requests": 32, "outstanding": 4,
                                 "traffic": {"window": "64 KiB", "request": "4 KiB"}}}])",
      "");
  const std::uint64_t aborted = metric(report, "h.i.driver.aborted");
  CHECK(aborted > 0);
  CHECK(aborted >= metric(report, "h.i.invalidation_queue.timeouts"));
  CHECK(metric(report, "h.i.driver.given_up") > 0);
}

TEST_CASE("a domain has more functions with caches than the ring has places", "[run]") {
  const std::string count = GENERATE("252", "253", "600");
  const std::string iommu = GENERATE(R"("model": "vtd")", R"("model": "vtd", "mode": "legacy")");
  CAPTURE(count, iommu);
  const RunReport report = run(migrating(iommu, R"("domain": "s", "ats": {}, "count": )" + count),
                               R"(, "duration": "100 us")");
  CHECK(metric(report, "h.pages_migrated") > 0);
  CHECK(metric(report, "h.i.invalidation_queue.timeouts") == 0);
}

TEST_CASE("pages are migrated by rings of the least and the largest size", "[run]") {
  const std::string iommu = GENERATE(R"("model": "riscv", "commands": {"entries": 4})",
                                     R"("model": "vtd", "invalidation": {"entries": 128})",
                                     R"("model": "vtd", "invalidation": {"entries": 16384})");
  CAPTURE(iommu);
  // Each migration is two descriptors at least: the largest ring is gone round.
  const RunReport report = run(migrating(iommu, R"("pasid": 5)"), R"(, "duration": "50 ms")");
  CHECK(metric(report, "h.pages_migrated") > 16384 / 2);
}
