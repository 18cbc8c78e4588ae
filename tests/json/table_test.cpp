// What the tables of `viosim models` and of README files say.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "tests/json/sample.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace viosim;

TEST_CASE("a table has one row per parameter, those of nested structs included", "[json][table]") {
  std::vector<std::string> names;
  for (const ParameterRow& row : parameter_table<sample::Device>()) names.push_back(row.name);
  CHECK(names == std::vector<std::string>{"name", "bdf", "base", "ats", "ats.sets", "ats.ways",
                                          "ats.hit_latency", "ats.replacement", "dma", "dma.rate",
                                          "dma.window", "dma.pattern", "dma.stride", "dma.pattern",
                                          "dma.exponent", "dma.pattern"});
}

TEST_CASE("a row says what there is to know about a parameter", "[json][table]") {
  const std::vector<ParameterRow> rows = parameter_table<sample::Scenario>();
  const auto row = [&](std::string_view name) {
    return *std::find_if(rows.begin(), rows.end(),
                         [&](const ParameterRow& r) { return r.name == name; });
  };
  CHECK(row("iotlb.hit_latency") == ParameterRow{"iotlb.hit_latency", "time", "12 ns",
                                                 "Request to answer, on a hit.", "assumed"});
  // The owner's default counts, not the struct's own.
  CHECK(row("iotlb.sets").default_text == "128");
  CHECK(row("background.exponent").default_text == "2.0");
  CHECK(row("devices[].name").default_text == "required");
  CHECK(row("matrix").type == "list of lists of whole numbers");
}

TEST_CASE("the plain table is aligned", "[json][table]") {
  CHECK(
      plain_table(parameter_table<sample::Cache>()) ==
      R"(  sets         whole number             64     Number of sets. A power of two, at most 4096.
  ways         whole number             8      Entries per set.
  hit_latency  time                     12 ns  Request to answer, on a hit. [assumed]
  replacement  "lru", "fifo", "random"  lru    Which entry makes room.
)");
}

TEST_CASE("the Markdown table can be pasted into a README", "[json][table]") {
  CHECK(markdown_table(parameter_table<sample::Cache>()) ==
        R"(| parameter | type | default | meaning | source |
|---|---|---|---|---|
| `sets` | whole number | `64` | Number of sets. A power of two, at most 4096. |  |
| `ways` | whole number | `8` | Entries per set. |  |
| `hit_latency` | time | `12 ns` | Request to answer, on a hit. | assumed |
| `replacement` | "lru", "fifo", "random" | `lru` | Which entry makes room. |  |
)");
}
