// Mistakes in the content of a document, and exactly what the user is told about them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "tests/json/sample.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using sample::Scenario;

namespace {

Scenario read_text(const std::string& text) {
  return read_document<Scenario>(parse_json(text, "f.json"), "f.json");
}

// What a user sees, one problem a line.
std::string complaints(const std::string& text) {
  try {
    read_text(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "fine";
}

struct Bad {
  std::string text;
  std::string complaint;
};

// clang-format off
const std::vector<Bad> bad_scalars = {
    {R"({"seed": -3})",
     R"(f.json: /seed: read -3; expected a whole number from 0 to 18446744073709551615)"},
    {R"({"seed": 1.0})",
     R"(f.json: /seed: read 1.0; expected a whole number from 0 to 18446744073709551615, without point or exponent)"},
    {R"({"seed": 1e3})",
     R"(f.json: /seed: read 1e3; expected a whole number from 0 to )"
     R"(18446744073709551615, without point or exponent)"},
    {R"({"seed": "7"})",
     R"(f.json: /seed: read "7"; expected a whole number from 0 to 18446744073709551615, without quotes)"},
    {R"({"seed": 18446744073709551616})",
     R"(f.json: /seed: read 18446744073709551616; expected a whole number from 0 to 18446744073709551615)"},
    {R"({"offset": 9223372036854775808})",
     R"(f.json: /offset: read 9223372036854775808; expected a whole number from )"
     R"(-9223372036854775808 to 9223372036854775807)"},
    {R"({"pasid": 4294967296})",
     R"(f.json: /pasid: read 4294967296; expected a whole number from 0 to 4294967295)"},
    {R"({"iotlb": {"ways": 256}})",
     R"(f.json: /iotlb/ways: read 256; expected a whole number from 0 to 255)"},
    {R"({"trace": "yes"})", R"(f.json: /trace: read "yes"; expected true or false)"},
    {R"({"trace": 1})", R"(f.json: /trace: read 1; expected true or false)"},
    {R"({"scale": "fast"})", R"(f.json: /scale: read "fast"; expected a number such as 0.5)"},
    {R"({"scale": null})", R"(f.json: /scale: read null; expected a number such as 0.5)"},
    {R"({"limit": "none"})",
     R"(f.json: /limit: read "none"; expected a whole number from -2147483648 to 2147483647)"},
    {R"({"tags": ["a", 3, null]})",
     "f.json: /tags/1: read 3; expected a text in double quotes\n"
     "f.json: /tags/2: read null; expected a text in double quotes"},
    {R"({"tags": "a text that goes on and on, far longer than any message would like"})",
     R"(f.json: /tags: read "a text that goes on and on, far longer than a..."; expected a list of texts)"},
    {R"({"matrix": [[1, 2], [128, [3]], 7]})",
     "f.json: /matrix/1/0: read 128; expected a whole number from -128 to 127\n"
     "f.json: /matrix/1/1: read a list of 1 value; expected a whole number from -128 to 127\n"
     "f.json: /matrix/2: read 7; expected a list of whole numbers"},
};

const std::vector<Bad> bad_quantities = {
    {R"({"iotlb": {"hit_latency": 250}})",
     R"(f.json: /iotlb/hit_latency: read 250; expected a time such as "250 ns" in double quotes)"},
    {R"({"iotlb": {"hit_latency": "250"}})",
     R"(f.json: /iotlb/hit_latency: read "250"; expected a time such as "250 ns" )"
     R"((the unit is missing; units are ps, ns, us, ms, s))"},
    {R"({"iotlb": {"hit_latency": "250 nanos"}})",
     R"(f.json: /iotlb/hit_latency: read "250 nanos"; expected a time such as "250 )"
     R"(ns" (unknown unit "nanos"; units are ps, ns, us, ms, s))"},
    {R"({"iotlb": {"hit_latency": "-250 ns"}})",
     R"(f.json: /iotlb/hit_latency: read "-250 ns"; expected a time such as "250 ns" (it must not be negative))"},
    {R"({"iotlb": {"hit_latency": "0.5 ps"}})",
     R"(f.json: /iotlb/hit_latency: read "0.5 ps"; expected a time such as "250 )"
     R"(ns" (times are whole picoseconds, at most 9007.199254740992 s))"},
    {R"({"iotlb": {"hit_latency": "999999999999999999 s"}})",
     R"(f.json: /iotlb/hit_latency: read "999999999999999999 s"; expected a time )"
     R"(such as "250 ns" (times are whole picoseconds, at most 9007.199254740992 s))"},
    {R"({"iotlb": {"hit_latency": "soon"}})",
     R"(f.json: /iotlb/hit_latency: read "soon"; expected a time such as "250 ns")"},
    {R"({"iotlb": {"hit_latency": "1.2.3 ns"}})",
     R"(f.json: /iotlb/hit_latency: read "1.2.3 ns"; expected a time such as "250 ns" ("1.2.3" is no number))"},
    {R"({"background": {"pattern": "sequential", "stride": "0.3 B"}})",
     R"(f.json: /background/stride: read "0.3 B"; expected a size such as "4 KiB" )"
     R"((sizes are whole bytes, below 8388608 TiB))"},
    {R"({"devices": [{"name": "a", "dma": {"pattern": "still", "rate": "3 M/s", "window": "4"}}]})",
     "f.json: /devices/0/dma/rate: read \"3 M/s\"; expected a rate such as \"5 "
     "M/s\" (the time between two events must be "
     "whole picoseconds, as with 1, 2, 4, 5, 8 or 10 M/s)\n"
     "f.json: /devices/0/dma/window: read \"4\"; expected a size such as \"4 "
     "KiB\" (the unit is missing; units are B, KiB, "
     "MiB, GiB, TiB, KB, MB, GB, TB), a multiple of \"4 KiB\" from \"4 KiB\" to \"1 TiB\""},
    {R"({"devices": [{"name": "a", "bdf": "1:0.0", "base": "4096"}]})",
     "f.json: /devices/0/bdf: read \"1:0.0\"; expected a requester id such as \"01:00.0\"\n"
     "f.json: /devices/0/base: read \"4096\"; expected an address such as "
     "\"0x7f001000\" (addresses are hexadecimal and "
     "begin with 0x)"},
    {R"({"devices": [{"name": "a", "base": "0x1ffffffffffffffff"}]})",
     R"(f.json: /devices/0/base: read "0x1ffffffffffffffff"; expected an address )"
     R"(such as "0x7f001000" (it has more than 64 bits))"},
};

const std::vector<Bad> bad_names = {
    {R"({"sed": 3})", R"(f.json: /sed: unknown key "sed"; did you mean "seed"?)"},
    {R"({"colour": 3})",
     R"(f.json: /colour: unknown key "colour"; expected one of "seed", "offset", )"
     R"("trace", "scale", "pasid", "iotlb", "background", "devices", "tags", "matrix", "limit", "note")"},
    {R"({"a/b~c\n": 3, "sed": {"deep": 1}})",
     "f.json: unknown key \"a/b~c\\n\"; expected one of \"seed\", \"offset\", "
     "\"trace\", \"scale\", \"pasid\", \"iotlb\", "
     "\"background\", \"devices\", \"tags\", \"matrix\", \"limit\", \"note\"\n"
     "f.json: /sed: unknown key \"sed\"; did you mean \"seed\"?"},
    {R"({"iotlb": {"replacement": "lur"}})",
     R"(f.json: /iotlb/replacement: read "lur"; expected one of "lru", "fifo", "random"; did you mean "lru"?)"},
    {R"({"iotlb": {"replacement": "pseudo-tree"}})",
     R"(f.json: /iotlb/replacement: read "pseudo-tree"; expected one of "lru", "fifo", "random")"},
    {R"({"iotlb": {"replacement": 3}})",
     R"(f.json: /iotlb/replacement: read 3; expected one of "lru", "fifo", "random")"},
};

const std::vector<Bad> bad_objects = {
    {R"([])", R"(f.json: read an empty list; expected an object)"},
    {R"(7)", R"(f.json: read 7; expected an object)"},
    {R"({"iotlb": [1, 2]})", R"(f.json: /iotlb: read a list of 2 values; expected an object)"},
    {R"({"devices": {}})", R"(f.json: /devices: read an empty object; expected a list of objects)"},
    {R"({"devices": [{}]})",
     R"(f.json: /devices/0: "name" is missing; expected a text in double quotes (Unique among its siblings.))"},
    {R"({"devices": [{"nme": "a"}]})",
     "f.json: /devices/0/nme: unknown key \"nme\"; did you mean \"name\"?\n"
     "f.json: /devices/0: \"name\" is missing; expected a text in double quotes (Unique among its siblings.)"},
    {R"({"devices": [{"name": "a", "dma": {}}]})",
     R"(f.json: /devices/0/dma: "pattern" is missing; expected one of "sequential", "zipf", "still")"},
    {R"({"devices": [{"name": "a", "dma": {"pattern": "zip", "exponent": 1, "rate": 5}}]})",
     "f.json: /devices/0/dma/pattern: read \"zip\"; expected one of "
     "\"sequential\", \"zipf\", \"still\"; did you mean \"zipf\"?\n"
     "f.json: /devices/0/dma/rate: read 5; expected a rate such as \"5 M/s\" in double quotes"},
    {R"({"background": {"pattern": "still", "exponent": 1}})",
     R"(f.json: /background/exponent: unknown key "exponent"; it goes with "pattern": "zipf")"},
    {R"({"background": {"pattern": "still", "speed": 1}})",
     R"(f.json: /background/speed: unknown key "speed"; expected "pattern")"},
    {R"({"background": "zipf"})", R"(f.json: /background: read "zipf"; expected an object)"},
    {R"({"background": {"pattern": 7}})",
     R"(f.json: /background/pattern: read 7; expected one of "sequential", "zipf", "still")"},
    // What one field cannot say is checked once all are what they should be.
    {R"({"iotlb": {"sets": 4}})", R"(f.json: /iotlb/ways: read 8; expected at most the sets)"},
    {R"({"iotlb": {"sets": 4, "hit_latency": 5}})",
     R"(f.json: /iotlb/hit_latency: read 5; expected a time such as "250 ns" in double quotes)"},
};

const std::vector<Bad> bad_ranges = {
    // Whatever else is wrong in the same object, also in a union.
    {R"({"iotlb": {"sets": 48}})",
     R"(f.json: /iotlb/sets: read 48; expected a power of two from 1 to 4096)"},
    {R"({"iotlb": {"sets": 48, "ways": -1, "set": 1}})",
     "f.json: /iotlb/sets: read 48; expected a power of two from 1 to 4096\n"
     "f.json: /iotlb/ways: read -1; expected a whole number from 0 to 255\n"
     "f.json: /iotlb/set: unknown key \"set\"; did you mean \"sets\"?"},
    {R"({"iotlb": {"sets": "8"}})",
     R"(f.json: /iotlb/sets: read "8"; expected a power of two from 1 to 4096, without quotes)"},
    {R"({"iotlb": {"sets": 8192}})",
     R"(f.json: /iotlb/sets: read 8192; expected a power of two from 1 to 4096)"},
    {R"({"iotlb": {"sets": 65536}})",
     R"(f.json: /iotlb/sets: read 65536; expected a power of two from 1 to 4096)"},
    {R"({"background": {"pattern": "zipf", "exponent": -1}})",
     R"(f.json: /background/exponent: read -1; expected a number, at least 0)"},
    {R"({"devices": [{"name": "a", "dma": {"pattern": "zipf", "exponent": -1, "speed": 1}}]})",
     "f.json: /devices/0/dma/exponent: read -1; expected a number, at least 0\n"
     "f.json: /devices/0/dma/speed: unknown key \"speed\"; "
     "expected one of \"rate\", \"window\", \"pattern\", \"exponent\""},
    // Quantities as they were written, also what may be absent.
    {R"({"devices": [{"name": "a", "dma": {"pattern": "still", "window": "0 KiB"}}]})",
     R"(f.json: /devices/0/dma/window: read "0 KiB"; expected a multiple of "4 KiB" from "4 KiB" to "1 TiB")"},
    {R"({"devices": [{"name": "a", "dma": {"pattern": "still", "window": 4}}]})",
     R"(f.json: /devices/0/dma/window: read 4; expected a size such as "4 KiB" in double quotes, a multiple of "4 KiB" from "4 KiB" to "1 TiB")"},
};

const std::vector<Bad> bad_unions = {
    // A name that is not known: the nearest one's keys are meant.
    {R"({"background": {"pattern": "zpif", "exponent": -1, "stride": 4, "speed": 1}})",
     "f.json: /background/pattern: read \"zpif\"; expected one of \"sequential\", \"zipf\", "
     "\"still\"; did you mean \"zipf\"?\n"
     "f.json: /background/exponent: read -1; expected a number, at least 0\n"
     "f.json: /background/speed: unknown key \"speed\"; nothing that could stand here has it"},
    // None at all: what is wrong wherever it may stand, and what may stand nowhere.
    {R"({"devices": [{"name": "a", "dma": {"rate": 5, "exponent": -1, "stride": "4 KiB", "expnent": 1, "speed": 1}}]})",
     "f.json: /devices/0/dma/rate: read 5; expected a rate such as \"5 M/s\" in double quotes\n"
     "f.json: /devices/0/dma/exponent: read -1; expected a number, at least 0\n"
     "f.json: /devices/0/dma/expnent: unknown key \"expnent\"; did you mean \"exponent\"?\n"
     "f.json: /devices/0/dma/speed: unknown key \"speed\"; nothing that could stand here has it\n"
     "f.json: /devices/0/dma: \"pattern\" is missing; expected one of \"sequential\", \"zipf\", \"still\""},
    {R"({"background": {"pattern": 7, "exponent": "x"}})",
     "f.json: /background/pattern: read 7; expected one of \"sequential\", \"zipf\", \"still\"\n"
     "f.json: /background/exponent: read \"x\"; expected a number, at least 0"},
};
// clang-format on

void check_complaints(const std::vector<Bad>& table) {
  for (const Bad& bad : table) {
    INFO(bad.text);
    CHECK(complaints(bad.text) == bad.complaint);
  }
}

}  // namespace

TEST_CASE("a wrong scalar is told with what was expected", "[json][read]") {
  check_complaints(bad_scalars);
}

TEST_CASE("a wrong quantity is told with an example and the reason", "[json][read]") {
  check_complaints(bad_quantities);
}

TEST_CASE("a wrong name is told with the nearest right one", "[json][read]") {
  check_complaints(bad_names);
}

TEST_CASE("a wrong object is told with its pointer", "[json][read]") {
  check_complaints(bad_objects);
}

TEST_CASE("a value out of its field's range is told whatever else is wrong", "[json][read]") {
  check_complaints(bad_ranges);
}

TEST_CASE("what is wrong is told when it is not known which alternative was meant",
          "[json][read]") {
  check_complaints(bad_unions);
}

TEST_CASE("all problems of a document are reported at once, in the order of the file",
          "[json][read]") {
  CHECK(complaints(R"({"trace": 0, "sed": 1, "iotlb": {"sets": 3}, "seed": "x"})") ==
        "f.json: /trace: read 0; expected true or false\n"
        "f.json: /sed: unknown key \"sed\"; did you mean \"seed\"?\n"
        "f.json: /iotlb/sets: read 3; expected a power of two from 1 to 4096\n"
        "f.json: /seed: read \"x\"; expected a whole number from 0 to 18446744073709551615");
}

TEST_CASE("after a thousand problems the rest is not listed", "[json][read]") {
  std::string text = R"({"tags": [0)";
  for (int i = 0; i < 100'000; ++i) text += ",0";
  try {
    read_text(text + "]}");
    FAIL("read a list of numbers as texts");
  } catch (const ConfigError& error) {
    CHECK(error.problems().size() == 1001);
    CHECK(error.problems().back().text() ==
          "f.json: has more problems than these; they are not listed");
  }
}

TEST_CASE("absent keys keep their defaults, also those that an owner gave", "[json][read]") {
  const Scenario scenario = read_text(
      R"({"iotlb": {"ways": 4}, "background": {"pattern": "zipf"},
          "devices": [{"name": "a", "ats": {}, "dma": {"pattern": "zipf"}}]})");
  CHECK(scenario.iotlb == sample::Cache{.sets = 128, .ways = 4});
  CHECK(std::get<sample::Zipf>(scenario.background).exponent == 2);
  CHECK(scenario.tags == std::vector<std::string>{"small"});
  CHECK(scenario.devices.at(0).ats == sample::Cache{});
  CHECK(std::get<sample::Zipf>(scenario.devices.at(0).dma.pattern).exponent == 0.99);
  CHECK(read_text("{}") == Scenario{});
}

TEST_CASE("null clears an optional, and a list replaces its default", "[json][read]") {
  const Scenario scenario = read_text(R"({"limit": null, "tags": []})");
  CHECK(!scenario.limit);
  CHECK(scenario.tags.empty());
  CHECK(read_text("{}").limit == 10);
}

TEST_CASE("limits of integers are read exactly", "[json][read]") {
  const Scenario scenario =
      read_text(R"({"seed": 18446744073709551615, "offset": -9223372036854775808, "scale": 3})");
  CHECK(scenario.seed == UINT64_MAX);
  CHECK(scenario.offset == INT64_MIN);
  CHECK(scenario.scale == 3.0);
}
