// The schema of scenario files accepts what is shipped, and refuses what is misspelt, by a validator that is
// not ours.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/document_schema.hpp"

#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/json_schema.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace viosim;

namespace {

test::JsonSchema shipped_schema() { return test::JsonSchema(to_text(scenario_schema())); }

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string with_iommu(const std::string& iommu) {
  return R"({"name": "n", "hosts": [{"name": "h", "devices": [], "iommus": [)" + iommu + "]}]}";
}

std::string with_event(const std::string& event) {
  return R"({"name": "n", "hosts": [{"name": "h", "iommus": [], "devices": []}], "events": [)" +
         event + "]}";
}

}  // namespace

TEST_CASE("the schema accepts the shipped scenarios", "[scenario][schema]") {
  auto schema = shipped_schema();
  std::size_t files = 0;
  for (const std::string folder : {"scenarios", "scenarios/validation"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(VIOSIM_SOURCE_DIR) / folder)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".json") || name.ends_with(".schema.json")) continue;
      CAPTURE(name);
      CHECK(schema.accepts(contents(entry.path())));
      ++files;
    }
  }
  CHECK(files >= 12);
}

TEST_CASE("what an object requires may come from a part or a template", "[scenario][schema]") {
  auto schema = shipped_schema();
  CHECK(schema.accepts(with_iommu(R"({"name": "i", "model": "vtd"})")));
  CHECK(schema.accepts(with_iommu(R"({"name": "i", "part": "p"})")));
  CHECK(schema.accepts(with_iommu(R"({"name": "i", "template": "t", "walkers": 3})")));
  CHECK_FALSE(schema.accepts(with_iommu(R"({"model": "vtd"})")));
  CHECK_FALSE(schema.accepts(with_iommu(R"({"name": "i", "template": "t", "wakers": 3})")));
  CHECK_FALSE(schema.accepts(with_iommu(R"({"name": "i", "part": 7})")));
}

TEST_CASE("the schema knows which keys go with an action", "[scenario][schema]") {
  auto schema = shipped_schema();
  CHECK(schema.accepts(with_event(R"({"at": "1 us", "stop": "h.d"})")));
  CHECK(schema.accepts(with_event(R"({"at": "1 us", "pace": "h.d", "interval": "2 ns"})")));
  CHECK_FALSE(schema.accepts(with_event(R"({"at": "1 us", "pace": "h.d"})")));
  CHECK_FALSE(schema.accepts(with_event(R"({"at": "1 us", "stop": "h.d", "interval": "2 ns"})")));
  CHECK_FALSE(schema.accepts(with_event(R"({"at": "1 us", "stop": "h.d", "start": "h.d"})")));
  CHECK_FALSE(schema.accepts(with_event(R"({"at": "1 us", "stop": "h..d"})")));
}

TEST_CASE("the schema knows what a part or a template may be called", "[scenario][schema]") {
  auto schema = shipped_schema();
  CHECK(schema.accepts(with_iommu(R"({"name": "i", "part": "iommus/x-1"})")));
  const std::string wrong = GENERATE(R"("part": "")", R"("part": "a b")", R"("template": "")",
                                     R"("template": "a/b")", R"("part": "p", "template": "t")");
  CAPTURE(wrong);
  CHECK_FALSE(schema.accepts(with_iommu(R"({"name": "i", )" + wrong + "}")));
}

TEST_CASE("the schema knows that templates are objects", "[scenario][schema]") {
  auto schema = shipped_schema();
  const auto with = [](const std::string& templates) {
    return R"({"name": "n", "hosts": [{"name": "h", "iommus": [], "devices": []}], "templates": )" +
           templates + "}";
  };
  CHECK(schema.accepts(with(R"({"t": {"any": 1}})")));
  CHECK_FALSE(schema.accepts(with(R"({"t": 7})")));
  CHECK_FALSE(schema.accepts(with(R"({"t": false})")));
  CHECK_FALSE(schema.accepts(with(R"({"a b": {}})")));
}

TEST_CASE("the schema knows amounts and invariants", "[scenario][schema]") {
  auto schema = shipped_schema();
  const auto with = [](const std::string& clause) {
    return R"({"name": "n", "hosts": [{"name": "h", "iommus": [], "devices": []}], "expect": [)" +
           clause + "]}";
  };
  const auto above = [&](const std::string& amount) {
    return with(R"({"metric": "h.d.requests", "above": )" + amount + "}");
  };
  for (const std::string amount : {"3", "0.5", "\"2 us\"", "\"95 %\"", "\"1.5 Gbit/s\"", "null"})
    CHECK(schema.accepts(above(amount)));
  for (const std::string amount : {"-1", "\"5\"", "\"5 k/s\"", "\"-1 ns\"", "\"often\"", "true"})
    CHECK_FALSE(schema.accepts(above(amount)));
  CHECK(schema.accepts(with(R"({"violation": "I8"})")));
  CHECK_FALSE(schema.accepts(with(R"({"violation": "I99"})")));
  CHECK_FALSE(schema.accepts(with(R"({"violation": ""})")));
}
