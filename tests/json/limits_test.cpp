// Limits that a field declares: what they refuse, and that messages, tables and the schema say the same.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"

#include <optional>
#include <string>
#include <vector>

using namespace viosim;

namespace {

constexpr TextRule short_name{[](std::string_view name) { return name.size() <= 3; },
                              "at most 3 letters", "^.{0,3}$"};

struct Limits {
  std::uint32_t walkers = 6;
  std::uint32_t width = 48;
  std::uint32_t ring = 256;
  std::int32_t offset = -2;
  std::optional<Pasid> pasid;
  double confidence = 0.95;
  double skew = 0;
  Ps interval{1};
  Bytes page = page_4k;
  Iova base{0x1000};
  std::optional<std::string> name = "abc";
  std::vector<std::string> ends = {"a", "b"};
  std::vector<std::uint32_t> values = {1};
  Value note{Value::Object{}};

  static constexpr auto fields() {
    using L = Limits;
    return Fields{field("walkers", &L::walkers, "At a time.").from(1),
                  field("width", &L::width, "Bits.").any_of(39, 48, 57),
                  field("ring", &L::ring, "Entries.").power_of_two().from(128).to(512),
                  field("offset", &L::offset, "Below.").to(-1),
                  field("pasid", &L::pasid, "If any.").from(Pasid(1)).to(pasid_max),
                  field("confidence", &L::confidence, "How sure.").above(0).below(1),
                  field("skew", &L::skew, "How odd.").from(0).to(10),
                  field("interval", &L::interval, "At least.").from(Ps(1)),
                  field("page", &L::page, "Size.").any_of(page_4k, page_2m),
                  field("base", &L::base, "Begin.").multiple_of(Iova(0x1000)),
                  field("name", &L::name, "Of it.").matching(short_name),
                  field("ends", &L::ends, "Two.").items({2, 2}),
                  field("values", &L::values, "Some.").items({1}),
                  field("note", &L::note, "Any.")
                      .such_that({[](const Value& value) { return value.if_object() != nullptr; },
                                  [] { return std::string("an object"); }})};
  }
};

std::string refusal(const std::string& text) {
  try {
    read_document<Limits>(parse_json(text, "f"), "f");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("each limit refuses what is beyond it, and takes what is at it", "[json][limits]") {
  struct Edge {
    const char* taken;
    const char* refused;
    const char* message;
  };
  const std::vector<Edge> edges = {
      {R"({"walkers": 1})", R"({"walkers": 0})",
       "f: /walkers: read 0; expected a whole number from 1 to 4294967295"},
      {R"({"width": 57})", R"({"width": 40})", "f: /width: read 40; expected one of 39, 48, 57"},
      {R"({"ring": 512})", R"({"ring": 1024})",
       "f: /ring: read 1024; expected a power of two from 128 to 512"},
      {R"({"ring": 128})", R"({"ring": 64})",
       "f: /ring: read 64; expected a power of two from 128 to 512"},
      {R"({"offset": -1})", R"({"offset": 0})",
       "f: /offset: read 0; expected a whole number from -2147483648 to -1"},
      {R"({"pasid": 1048575})", R"({"pasid": 0})",
       "f: /pasid: read 0; expected a whole number from 1 to 1048575"},
      {R"({"pasid": null})", R"({"pasid": 1048576})",
       "f: /pasid: read 1048576; expected a whole number from 1 to 1048575"},
      {R"({"confidence": 0.5})", R"({"confidence": 0})",
       "f: /confidence: read 0; expected a number, more than 0, less than 1"},
      {R"({"confidence": 0.99})", R"({"confidence": 1})",
       "f: /confidence: read 1; expected a number, more than 0, less than 1"},
      {R"({"skew": 10})", R"({"skew": 10.5})",
       "f: /skew: read 10.5; expected a number from 0 to 10"},
      {R"({"interval": "1 ps"})", R"({"interval": "0 s"})",
       "f: /interval: read \"0 s\"; expected at least \"1 ps\""},
      {R"({"page": "2 MiB"})", R"({"page": "8 KiB"})",
       "f: /page: read \"8 KiB\"; expected one of \"4 KiB\", \"2 MiB\""},
      {R"({"base": "0x3000"})", R"({"base": "0x3800"})",
       "f: /base: read \"0x3800\"; expected a multiple of \"0x1000\""},
      {R"({"name": ""})", R"({"name": "abcd"})",
       "f: /name: read \"abcd\"; expected at most 3 letters"},
      {R"({"ends": ["x", "y"]})", R"({"ends": ["x"]})",
       "f: /ends: read a list of 1 value; expected a list of texts, 2 of them"},
      {R"({"values": [1]})", R"({"values": []})",
       "f: /values: read an empty list; expected a list of whole numbers, at least one"},
      {R"({"note": {}})", R"({"note": 7})", "f: /note: read 7; expected an object"},
  };
  for (const Edge& edge : edges) {
    CHECK(refusal(edge.taken).empty());
    CHECK(refusal(edge.refused) == edge.message);
  }
}

TEST_CASE("defaults are within the limits", "[json][limits]") {
  CHECK(refusal(to_text(write(Limits{}))).empty());
}

TEST_CASE("tables say the limits after the sentence", "[json][limits]") {
  std::string said;
  for (const ParameterRow& row : parameter_table<Limits>()) said += row.sentence + '\n';
  CHECK(said ==
        "At a time. At least 1.\nBits. One of 39, 48, 57.\n"
        "Entries. A power of two from 128 to 512.\nBelow. At most -1.\nIf any. From 1 to 1048575.\n"
        "How sure. More than 0, less than 1.\nHow odd. From 0 to 10.\nAt least. At least 1 ps.\n"
        "Size. One of 4 KiB, 2 MiB.\nBegin. A multiple of 0x1000.\nOf it. At most 3 letters.\n"
        "Two. 2 of them.\nSome. At least one.\nAny. An object.\n");
}

TEST_CASE("the schema has the limits that it can say", "[json][limits]") {
  const Value whole = schema<Limits>("limits");
  const Value::Object& properties = *find(*whole.if_object(), "properties")->if_object();
  const auto of = [&](std::string_view name) {
    Value::Object property = *find(properties, name)->if_object();
    std::erase_if(property, [](const Value::Member& member) { return member.key == "default"; });
    return to_text(Value(property));
  };
  CHECK(of("walkers") ==
        R"({"description": "At a time.", "type": "integer", "minimum": 1, "maximum": 4294967295})");
  CHECK(of("width") == R"({"description": "Bits.", "type": "integer", "enum": [39, 48, 57]})");
  CHECK(of("ring") == R"({"description": "Entries.", "type": "integer", "enum": [128, 256, 512]})");
  CHECK(of("confidence") == R"({"description": "How sure.", "type": "number", )"
                            R"("exclusiveMinimum": 0.0, "exclusiveMaximum": 1.0})");
  CHECK_THAT(of("interval"), Catch::Contains("At least.\\nAt least 1 ps."));
  CHECK_THAT(of("page"), Catch::Contains(R"("enum": ["4 KiB", "2 MiB"])"));
  CHECK_THAT(of("name"), Catch::Contains(R"("pattern": "^.{0,3}$")"));
  CHECK_THAT(of("ends"), Catch::Contains(R"("minItems": 2, "maxItems": 2)"));
}
