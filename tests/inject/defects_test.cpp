// Historic defects by name: what each switches on, and that nothing else is.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/defects.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

// Of one guest. `allocator`: what is said of its.
Scenario scenario(const std::string& defects, const std::string& allocator = "") {
  const std::string text = R"({"name": "d", "defects": [)" + defects +
                           R"(], "hosts": [{"name": "h", "iommus": [{"name": "i", "model": "vtd"}],
          "devices": [{"name": "acc", "model": "accelerator", "iommu": "i"}],
          "guests": [{"name": "vm", "allocator": {)" +
                           allocator + R"(}, "viommus": [{"name": "v"}],
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

// A guest's kernel is right unless the scenario says otherwise; the library has every policy off.
TEST_CASE("errors of a guest's allocator are behaviour and policies of the library, by its names",
          "[inject]") {
  const auto [defect, said] =
      GENERATE(table<const char*, const char*>({{"D1", R"("linux_6_1": true)"},
                                                {"D5", R"("keep_live_on_duplicate": false)"},
                                                {"D7", R"("track_beside_live": true)"},
                                                {"H11", R"("enforce_range": false)"}}));
  INFO(defect);
  CHECK(scenario('"' + std::string(defect) + '"').hosts == scenario("", said).hosts);
}

TEST_CASE("a guest that does all as Linux 6.1 is a space of that behaviour without policies",
          "[inject]") {
  const auto options_of = [](const char* said) {
    return scenario("", said).hosts.front().guests.front().params.allocator.options();
  };
  const ioasid::SpaceOptions right = options_of("");
  CHECK(right.behaviour == ioasid::Behaviour::corrected);
  CHECK(right.enforce_range);
  CHECK(right.keep_live_on_duplicate);
  CHECK(!right.track_beside_live);
  CHECK(!right.refuse_unregister_with_live_ids);
  const ioasid::SpaceOptions linux =
      options_of(R"("linux_6_1": true, "enforce_range": false, "keep_live_on_duplicate": false)");
  CHECK(linux.behaviour == ioasid::Behaviour::linux_6_1);
  CHECK(!linux.enforce_range);
  CHECK(!linux.keep_live_on_duplicate);
  CHECK(options_of(R"("refuse_unregister_with_live_ids": true)").refuse_unregister_with_live_ids);
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
