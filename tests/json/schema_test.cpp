// The JSON Schema, judged by a validator that is not ours, against what the reader accepts.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "tests/json/any_sample.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/json_schema.hpp"

using namespace viosim;
using sample::Scenario;

namespace {

test::JsonSchema sample_schema() {
  return test::JsonSchema(to_text(viosim::schema<Scenario>("sample")));
}

bool reader_accepts(const std::string& text) {
  std::vector<Problem> problems;
  read<Scenario>(parse_json(text, "f.json"), Where(problems, "f.json"));
  return problems.empty();
}

}  // namespace

TEST_CASE("the schema accepts every document that is written", "[json][schema]") {
  auto schema = sample_schema();
  const bool held = rc::check([&] {
    Scenario scenario = *sample::any_scenario();
    scenario.seed &= INT64_MAX;  // valijson takes larger numbers for negative ones
    const std::string text = to_text(write(scenario));
    if (!schema.accepts(text)) RC_FAIL(text);
  });
  CHECK(held);
}

TEST_CASE("the schema and the reader agree on the structure of a document", "[json][schema]") {
  auto schema = sample_schema();
  const std::string text = GENERATE(
      as<std::string>(), R"({})", R"([])", R"(7)", R"({"sed": 1})", R"({"seed": -1})",
      R"({"seed": "1"})", R"({"seed": 1.5})", R"({"pasid": 4294967295})",
      R"({"pasid": 4294967296})", R"({"trace": 1})", R"({"trace": false})", R"({"scale": 3})",
      R"({"scale": "3"})", R"({"limit": null})", R"({"limit": 7})", R"({"limit": "7"})",
      R"({"seed": null})", R"({"note": {"any": [1]}})", R"({"tags": ["a"]})", R"({"tags": [1]})",
      R"({"matrix": [[127], []]})", R"({"matrix": [[128]]})", R"({"matrix": [1]})",
      R"({"iotlb": {}})", R"({"iotlb": {"wais": 1}})", R"({"iotlb": {"replacement": "fifo"}})",
      R"({"iotlb": {"replacement": "fifi"}})", R"({"iotlb": {"hit_latency": "1.5 ns"}})",
      R"({"iotlb": {"hit_latency": "1.5ns"}})", R"({"iotlb": {"hit_latency": "1.5"}})",
      R"({"iotlb": {"hit_latency": 12}})", R"({"iotlb": {"hit_latency": "-1 ns"}})",
      R"({"iotlb": {"hit_latency": "1 KiB"}})", R"({"background": {}})",
      R"({"background": {"pattern": "still"}})", R"({"background": {"pattern": "stil"}})",
      R"({"background": {"pattern": "zipf", "exponent": 1}})",
      R"({"background": {"pattern": "still", "exponent": 1}})",
      R"({"background": {"pattern": "sequential", "stride": "4 KiB"}})", R"({"devices": [{}]})",
      R"({"devices": [{"name": "a"}]})", R"({"devices": [{"name": "a", "ats": {}}]})",
      R"({"devices": [{"name": "a", "ats": null}]})", R"({"devices": [{"name": "a", "ats": []}]})",
      R"({"devices": [{"name": "a", "bdf": "01:1f.7", "base": "0xF00"}]})",
      R"({"devices": [{"name": "a", "bdf": "01:20.0"}]})",
      R"({"devices": [{"name": "a", "bdf": "01:00.8"}]})",
      R"({"devices": [{"name": "a", "base": "f00"}]})",
      R"({"devices": [{"name": "a", "dma": {"pattern": "zipf", "rate": "5 M/s"}}]})",
      R"({"devices": [{"name": "a", "dma": {"pattern": "zipf", "rate": "5 /s", "window": null}}]})",
      R"({"devices": [{"name": "a", "dma": {"pattern": "zipf", "rate": "5 M"}}]})",
      R"({"devices": [{"name": "a", "dma": {"pattern": "zipf", "stride": "4 KiB"}}]})",
      R"({"devices": [{"name": "a", "dma": {"rate": "5 M/s"}}]})");
  INFO(text);
  CHECK(schema.accepts(text) == reader_accepts(text));
}

TEST_CASE("the schema explains a struct to an editor", "[json][schema]") {
  CHECK(to_text(schema<sample::Cache>("cache"), Layout::indented) == R"({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "cache",
  "type": "object",
  "properties": {
    "sets": {
      "description": "Number of sets.",
      "type": "integer",
      "enum": [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
        512,
        1024,
        2048,
        4096
      ],
      "default": 64
    },
    "ways": {
      "description": "Entries per set.",
      "type": "integer",
      "minimum": 0,
      "maximum": 255,
      "default": 8
    },
    "hit_latency": {
      "description": "Request to answer, on a hit.",
      "type": "string",
      "pattern": "^[0-9]+(\\.[0-9]+)? *(ps|ns|us|ms|s)$",
      "default": "12 ns"
    },
    "replacement": {
      "description": "Which entry makes room.\nlru: Longest unused.\nfifo: Longest here.\nrandom: Any one.",
      "enum": [
        "lru",
        "fifo",
        "random"
      ],
      "default": "lru"
    }
  },
  "additionalProperties": false
})");
}
