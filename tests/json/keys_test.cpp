// Unions whose alternative is named by which key is there.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/fields.hpp"
#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

struct Walk {
  static constexpr Alternative alternative{"walk", "On foot."};
  std::string walk;
  std::uint32_t steps = 100;
  static constexpr auto fields() {
    return Fields{required("walk", &Walk::walk, "Where to."),
                  field("steps", &Walk::steps, "How many.")};
  }
  bool operator==(const Walk&) const = default;
};

struct Ride {
  static constexpr Alternative alternative{"ride", "On a horse."};
  std::string ride;
  static constexpr auto fields() { return Fields{required("ride", &Ride::ride, "Where to.")}; }
  bool operator==(const Ride&) const = default;
};

using Way = OneOfKeys<Walk, Ride>;

struct Trip {
  std::string name;
  Way way;
  static constexpr auto fields() {
    return Fields{field("name", &Trip::name, "Its name."), embedded(&Trip::way)};
  }
  bool operator==(const Trip&) const = default;
};

Trip trip(const std::string& text) { return read_document<Trip>(parse_json(text, "t"), "t"); }

std::string refusal(const std::string& text) {
  try {
    trip(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the key that is there names the alternative", "[json][keys]") {
  CHECK(trip(R"({"walk": "home", "steps": 3})").way == Way(Walk{"home", 3}));
  CHECK(trip(R"({"name": "n", "ride": "away"})").way == Way(Ride{"away"}));
  const Trip read = trip(R"({"ride": "away"})");
  CHECK(to_text(write(read)) == R"({"name": "", "ride": "away"})");
  CHECK(read_document<Trip>(write(read), "again") == read);
}

TEST_CASE("no key, two keys and another's key are refused by name", "[json][keys]") {
  CHECK(refusal("{}") == R"(t: read none of its keys; expected "walk" or "ride")");
  CHECK(refusal(R"({"wlak": "x"})") ==
        R"(t: read none of its keys; expected "walk" or "ride"; did you mean "walk" by "wlak"?)");
  CHECK(refusal(R"({"wlak": 7, "steps": "x", "stpes": 1})") ==
        "t: /wlak: read 7; expected a text in double quotes\n"
        "t: /steps: read \"x\"; expected a whole number from 0 to 4294967295\n"
        "t: /stpes: unknown key \"stpes\"; did you mean \"steps\"?\n"
        "t: read none of its keys; expected \"walk\" or \"ride\"; did you mean \"walk\" by "
        "\"wlak\"?");
  CHECK(refusal(R"({"name": 1, "steps": "x", "colour": 1})") ==
        "t: /name: read 1; expected a text in double quotes\n"
        "t: /steps: read \"x\"; expected a whole number from 0 to 4294967295\n"
        "t: /colour: unknown key \"colour\"; nothing that could stand here has it\n"
        "t: read none of its keys; expected \"walk\" or \"ride\"");
  CHECK(refusal(R"({"walk": "x", "ride": "y"})") ==
        R"(t: /ride: read it beside another of its kind; expected only one of "walk", "ride")");
  CHECK(refusal(R"({"ride": "x", "steps": 3})") ==
        R"(t: /steps: unknown key "steps"; it goes with "walk")");
  CHECK(refusal(R"({"walk": 7})") == R"(t: /walk: read 7; expected a text in double quotes)");
}

TEST_CASE("the schema has a shape for each key", "[json][keys]") {
  const Value whole = schema<Trip>("trip");
  const Value::Array& shapes = *find(*whole.if_object(), "oneOf")->if_array();
  REQUIRE(shapes.size() == 2);
  CHECK(to_text(*find(*shapes[0].if_object(), "required")) == R"(["walk"])");
  CHECK(to_text(*find(*shapes[1].if_object(), "required")) == R"(["ride"])");
  CHECK(find(*find(*shapes[1].if_object(), "properties")->if_object(), "steps") == nullptr);
}
