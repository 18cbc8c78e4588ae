// Page tables of 3, 4 and 5 levels: cold walks read as many entries as the closed form says.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/run/run.hpp"
#include "tests/support/catch.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace viosim;

namespace {

struct Shape {
  const char* iommu;  // beside its name
  const char* table;
  unsigned levels;
  unsigned second_levels;
};

RunReport run(const Shape& shape, const std::string& base = "0x100000000") {
  std::string text = R"({"name": "levels", "hosts": [{"name": "h", "iommus": [{"name": "i", )";
  text +=
      std::string(shape.iommu) + R"(}], "devices": [{"name": "d", "model": "dma", "iommu": "i", )";
  text += std::string(R"("requests": 1, "traffic": {"window": "4 KiB"}, "table": ")") + shape.table;
  text += R"(", "levels": )" + std::to_string(shape.levels) + R"(, "base": ")" + base + '"';
  if (shape.second_levels != 0)
    text += R"(, "second_levels": )" + std::to_string(shape.second_levels);
  text += "}]}]}";
  const Scenario scenario = read_scenario(parse_json(text, "levels.json"), "levels.json");
  return run_scenario(scenario, std::filesystem::path(), {});
}

std::string metric(const RunReport& report, const std::string& name) {
  for (const auto& [key, value] : *report.json.if_object()) {
    if (key != "metrics") continue;
    for (const auto& [metric, figure] : *value.if_object())
      if (metric == name) return to_text(figure);
  }
  return "none";
}

}  // namespace

TEST_CASE("cold walks of tables of all depths read what the closed form says", "[run]") {
  constexpr const char* vtd = R"("model": "vtd")";
  constexpr const char* riscv = R"("model": "riscv")";
  // What leads to the tables: root, context, PASID directory and entry; of RISC-V a directory's.
  const unsigned config_vtd = 4;
  for (const unsigned second : {3U, 4U, 5U}) {
    INFO(second);
    CHECK(metric(run({vtd, "second-level", second, 0}), "h.i.walk_reads") ==
          std::to_string(config_vtd + second));
    for (const unsigned first : {4U, 5U}) {
      INFO(first);
      CHECK(metric(run({vtd, "nested", first, second}), "h.i.walk_reads") ==
            std::to_string(config_vtd + (first + 1) * (second + 1) - 1));
    }
  }
  for (const unsigned first : {4U, 5U}) {
    CHECK(metric(run({vtd, "first-level", first, 0}), "h.i.walk_reads") ==
          std::to_string(config_vtd + first));
  }
  const auto reads = [&](const char* table, unsigned levels, unsigned second) {
    return std::stoi(metric(run({riscv, table, levels, second}), "h.i.walk_reads"));
  };
  CHECK(reads("second-level", 5, 0) - reads("second-level", 3, 0) == 2);
  CHECK(reads("first-level", 5, 0) - reads("first-level", 3, 0) == 2);
  CHECK(reads("nested", 3, 3) - reads("first-level", 3, 0) >= 12);
  CHECK(reads("nested", 5, 5) - reads("nested", 3, 3) == 35 - 15);
}

TEST_CASE("a window lies where its tables reach", "[run]") {
  constexpr const char* vtd = R"("model": "vtd")";
  CHECK(metric(run({vtd, "first-level", 5, 0}, "0xfffffffffff000"), "h.d.aborted") == "0");
  CHECK_THROWS_WITH(run({vtd, "first-level", 5, 0}, "0x100000000000000"),
                    Catch::Contains("2^56 or below"));
  CHECK_THROWS_WITH(run({vtd, "first-level", 4, 0}, "0x800000000000"),
                    Catch::Contains("2^47 or below"));
  CHECK(metric(run({vtd, "second-level", 3, 0}, "0x3ffffff000"), "h.d.aborted") == "0");
  CHECK_THROWS_WITH(run({vtd, "second-level", 3, 0}, "0x4000000000"),
                    Catch::Contains("2^38 or below"));
  CHECK_THROWS_WITH(run({vtd, "first-level", 3, 0}), Catch::Contains("expected 4 or 5"));
  CHECK_THROWS_WITH(run({vtd, "pass-through", 5, 0}), Catch::Contains("pass-through"));
  CHECK_THROWS_WITH(run({vtd, "second-level", 4, 5}), Catch::Contains("nested"));
}
