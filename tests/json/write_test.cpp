// What is written is read back as the same, for every value that a document can hold.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "tests/json/any_sample.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using sample::Scenario;

TEST_CASE("reading what was written gives back the same", "[json][write]") {
  const bool held = rc::check([] {
    const Scenario scenario = *sample::any_scenario();
    for (const Layout layout : {Layout::one_line, Layout::indented}) {
      const std::string text = to_text(write(scenario), layout);
      const Scenario again = read_document<Scenario>(parse_json(text, "f.json"), "f.json");
      RC_ASSERT(again == scenario);
      RC_ASSERT(to_text(write(again), layout) == text);
    }
  });
  CHECK(held);
}

TEST_CASE("keys are written in the order of their declaration, with canonical units",
          "[json][write]") {
  Scenario scenario;
  scenario.devices.resize(1);
  scenario.devices[0].name = "acc";
  scenario.devices[0].dma.pattern = sample::Sequential{.stride = Bytes(65536)};
  scenario.iotlb.hit_latency = 1500ns;
  CHECK(to_text(write(scenario), Layout::indented) == R"({
  "seed": 1,
  "offset": -5,
  "trace": true,
  "scale": 1.0,
  "pasid": 7,
  "iotlb": {
    "sets": 128,
    "ways": 8,
    "hit_latency": "1500 ns",
    "replacement": "lru"
  },
  "background": {
    "pattern": "zipf",
    "exponent": 2.0
  },
  "devices": [
    {
      "name": "acc",
      "bdf": "00:00.0",
      "base": "0x1000",
      "ats": null,
      "dma": {
        "rate": "5 M/s",
        "window": null,
        "pattern": "sequential",
        "stride": "64 KiB"
      }
    }
  ],
  "tags": [
    "small"
  ],
  "matrix": [],
  "limit": 10,
  "note": null
})");
}

TEST_CASE("what cannot be read back is not written", "[json][write]") {
  CHECK_THROWS_AS(to_text(Value(1.0 / 0.0)), InternalError);
  CHECK_THROWS_AS(write(Rate(Ps(7))), InternalError);
  CHECK_THROWS_AS(write(Ps(-1)), InternalError);
}
