// Historic defects by name: what each switches on, and that nothing else is.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/defects.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

Scenario scenario(const std::string& defects) {
  const std::string text = R"({"name": "d", "defects": [)" + defects +
                           R"(], "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i"}],
          "guests": [{"name": "vm", "viommus": [{"name": "v"}],
                      "assign": [{"devices": "acc", "viommu": "v"}]}]}]})";
  return read_scenario(parse_json(text, "d.json"), "d.json");
}

}  // namespace

TEST_CASE("each defect changes the scenario, and reading what was written changes no more",
          "[inject]") {
  const Scenario right = scenario("");
  for (const auto& defect : choices(Defect{})) {
    INFO(defect.name);
    CHECK(!source_of(defect.value).empty());
    Scenario wrong = scenario('"' + std::string(defect.name) + '"');
    CHECK(wrong.hosts != right.hosts);
    CHECK(read_scenario(write(wrong), "again") == wrong);
  }
}

TEST_CASE("a defect that nobody knows is refused, with the nearest name", "[inject]") {
  try {
    scenario(R"("E1", "no-owner-chek")");
    FAIL("it was taken");
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    CHECK(text.find("/defects/1") != std::string::npos);
    CHECK(text.find("did you mean \"no-owner-check\"?") != std::string::npos);
  }
}
