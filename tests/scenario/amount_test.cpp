// Amounts with their units, and the bounds that are made of them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/expectation.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

Bounds bounds(const std::string& json) { return read_document<Bounds>(parse_json(json, "b"), "b"); }

std::string refusal(const std::string& json) {
  try {
    bounds(json);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an amount has the dimension of its unit", "[scenario][amount]") {
  CHECK(Amount::parse("2 us")->value() == 2e6);
  CHECK(Amount::parse("2 us")->of(Dimension::time));
  CHECK_FALSE(Amount::parse("2 us")->of(Dimension::count));
  CHECK(Amount::parse("4 KiB")->value() == 4096);
  CHECK(Amount::parse("95 %")->value() == 95 * 0.01);
  CHECK(Amount::parse("95 %")->of(Dimension::ratio));
  CHECK(Amount::parse("5 M/s")->value() == 5e6);
  CHECK(Amount::parse("32 Gb/s")->value() == 32e9);
  CHECK(Amount::parse("4 GB/s")->value() == 32e9);
  CHECK(Amount(7).of(Dimension::count));
  CHECK(Amount(7).of(Dimension::ratio));
  CHECK_FALSE(Amount(7).of(Dimension::time));
}

TEST_CASE("what is no amount is refused", "[scenario][amount]") {
  const std::string text = GENERATE(as<std::string>(), "", "5", "us", "5 furlongs", "-3 us", "-3 %",
                                    "1e3 Gb/s", "nan %");
  CAPTURE(text);
  CHECK_FALSE(Amount::parse(text));
}

TEST_CASE("an amount is written as it was read", "[scenario][amount]") {
  const std::string json = GENERATE(as<std::string>(), R"({"above": "2.50 us"})", R"({"above": 3})",
                                    R"({"above": 0.25})", R"({"above": "95 %"})");
  const Bounds read = bounds(json);
  CHECK(read_document<Bounds>(write(read), "again") == read);
  CHECK(*find(*write(read).if_object(), "above") ==
        *find(*parse_json(json, "b").if_object(), "above"));
}

TEST_CASE("a ratio is told as all, or as none, only where it is", "[scenario][amount]") {
  const auto text = [](double ratio) { return amount_text(ratio, Dimension::ratio); };
  CHECK(text(1) == "100.00 %");
  CHECK(text(0.99994) == "99.99 %");
  CHECK(text(0.99996) == "99.996 %");
  CHECK(text(45537.0 / 45538.0) == "99.998 %");
  CHECK(text(0) == "0.00 %");
  CHECK(text(0.00006) == "0.01 %");
  CHECK(text(0.00003) == "0.003 %");
  CHECK(text(1e-15) == "0.0000000000 %");
  CHECK(text(1.5) == "150.00 %");
}

TEST_CASE("a bound holds up to its edge and not beyond", "[scenario][amount]") {
  CHECK(bounds(R"({"above": 5})").hold(5.001));
  CHECK_FALSE(bounds(R"({"above": 5})").hold(5));
  CHECK(bounds(R"({"at_least": 5})").hold(5));
  CHECK_FALSE(bounds(R"({"at_least": 5})").hold(4.999));
  CHECK(bounds(R"({"below": 5})").hold(4.999));
  CHECK_FALSE(bounds(R"({"below": 5})").hold(5));
  CHECK(bounds(R"({"at_most": 5})").hold(5));
  CHECK_FALSE(bounds(R"({"at_most": 5})").hold(5.001));
  CHECK(bounds(R"({"equals": 5})").hold(5));
  CHECK_FALSE(bounds(R"({"equals": 5})").hold(5.001));
}

TEST_CASE("two bounds are a range", "[scenario][amount]") {
  const Bounds range = bounds(R"({"at_least": 5, "at_most": 7})");
  CHECK(range.hold(5));
  CHECK(range.hold(7));
  CHECK_FALSE(range.hold(4));
  CHECK_FALSE(range.hold(8));
  CHECK(range.text() == "at least 5 and at most 7");
}

TEST_CASE("a tolerance is an amount or a part of what it is about", "[scenario][amount]") {
  const Bounds part = bounds(R"({"equals": "10 us", "within": "5 %"})");
  CHECK(part.hold(9.5e6));
  CHECK_FALSE(part.hold(9.4e6));
  CHECK(part.hold(10.5e6));
  CHECK_FALSE(part.hold(10.6e6));
  const Bounds amount = bounds(R"({"equals": "10 us", "within": "100 ns"})");
  CHECK(amount.hold(9.9e6));
  CHECK_FALSE(amount.hold(9.8e6));
  CHECK(amount.text() == "equals 10 us within 100 ns");
}

TEST_CASE("bounds that say nothing, or what cannot be, are refused", "[scenario][amount]") {
  CHECK(says(refusal("{}"), "read no bound"));
  CHECK(says(refusal(R"({"above": 1, "within": 1})"), "/within: read it without \"equals\""));
  CHECK(says(refusal(R"({"above": 5, "below": 5})"), "no figure is within these bounds"));
  CHECK(says(refusal(R"({"at_least": 6, "at_most": 5})"), "no figure is within these bounds"));
  CHECK(refusal(R"({"at_least": 5, "at_most": 5})").empty());
  CHECK(says(refusal(R"({"above": "5 parsecs"})"),
             "/above: read \"5 parsecs\"; expected a number, or"));
  CHECK(says(refusal(R"({"abov": 5})"), "did you mean \"above\"?"));
}

TEST_CASE("bounds are held against each other, all of them", "[scenario][amount]") {
  CHECK(says(refusal(R"({"equals": "5 ns", "above": "6 ns"})"),
             "/equals: read \"5 ns\"; expected more than \"6 ns\": no figure is within"));
  CHECK(says(refusal(R"({"equals": 10, "within": "5 %", "below": 5})"),
             "/equals: read 10 within \"5 %\"; expected less than 5"));
  CHECK(says(refusal(R"({"above": 1, "at_least": 10, "below": 5})"),
             "/below: read 5; expected more than 10"));
  CHECK(says(refusal(R"({"at_least": 10, "below": 50, "at_most": 9})"),
             "/at_most: read 9; expected at least 10"));
  CHECK(says(refusal(R"({"above": "50 %", "below": 0.5})"), "no figure is within these bounds"));
  CHECK(says(refusal(R"({"below": "0 ns"})"), "/below: read \"0 ns\"; expected more than that"));
  CHECK(refusal(R"({"equals": 10, "within": 1, "above": 10.9, "at_most": 11})").empty());
  CHECK(refusal(R"({"above": "9 ns", "at_most": 1})").empty());  // check_dimension() refuses one
}

TEST_CASE("no bound is negative, nor is a tolerance", "[scenario][amount]") {
  const std::string key =
      GENERATE(as<std::string>(), "above", "at_least", "below", "at_most", "equals", "within");
  const std::string amount = GENERATE(as<std::string>(), "-1", "-0.1", "\"-1 ns\"", "\"-5 %\"");
  const std::string before = key == "within" ? R"({"equals": 5, ")" : R"({")";
  CHECK(says(refusal(before + key + "\": " + amount + "}"), "/" + key + ": read " + amount));
  CHECK(says(refusal(before + key + "\": " + amount + "}"), "it must not be negative"));
}

TEST_CASE("what is wrong with an amount is said", "[scenario][amount]") {
  const auto [amount, why] = GENERATE(table<std::string, std::string>(
      {{R"("1 k/s")", "(unknown unit \"k/s\"; units are ps, ns, us"},
       {R"("5")", "(the unit is missing; units are ps, "},
       {R"("-1 ns")", "(it must not be negative)"},
       {"-1", "(it must not be negative)"},
       {R"("5. %")", "(\"5.\" is no number)"},
       {R"("0.0001 ps")", "(times are whole picoseconds"},
       {R"("9008 s")", "at most 9007.199254740992 s"},
       {R"("0.3 B")", "sizes whole bytes"},
       {R"("often")", "\"32 Gb/s\""}}));
  CHECK(says(refusal(R"({"above": )" + amount + "}"), why));
}

TEST_CASE("bits are spelt in both ways", "[scenario][amount]") {
  CHECK(Amount::parse("1 Mbit/s")->value() == Amount::parse("1 Mb/s")->value());
  CHECK(Amount::parse("2 Gbit/s")->value() == 2e9);
  CHECK(Amount::parse("2 Gbit/s")->of(Dimension::bandwidth));
}

TEST_CASE("a count is a whole number", "[scenario][amount]") {
  const auto problems_of = [](const std::string& json, Dimension dimension) {
    std::vector<Problem> problems;
    bounds(json).check_dimension(dimension, Where(problems, "f"));
    return problems;
  };
  const std::vector<Problem> half = problems_of(R"({"equals": 10.5})", Dimension::count);
  REQUIRE(half.size() == 1);
  CHECK(half[0].pointer == "/equals");
  CHECK(says(half[0].message, "read 10.5; expected a whole number"));
  const std::vector<Problem> none = problems_of(R"({"above": 1, "below": 2})", Dimension::count);
  REQUIRE(none.size() == 1);
  CHECK(says(none[0].message, "read above 1 and below 2; expected bounds with a whole number"));
  CHECK(problems_of(R"({"equals": 10.5, "within": 0.5})", Dimension::count).empty());
  CHECK(problems_of(R"({"above": 1, "at_most": 2})", Dimension::count).empty());
  CHECK(problems_of(R"({"above": 0.5})", Dimension::count).empty());
  CHECK(problems_of(R"({"equals": 0.105})", Dimension::ratio).empty());
}

TEST_CASE("a large count is told shortly", "[scenario][amount]") {
  CHECK(amount_text(1e300, Dimension::count) == "1e+300");
  CHECK(amount_text(9007199254740991.0, Dimension::count) == "9007199254740991");
}

TEST_CASE("a bound of another dimension than the figure is refused", "[scenario][amount]") {
  std::vector<Problem> problems;
  const Where where(problems, "f");
  bounds(R"({"above": "2 us", "equals": 5})").check_dimension(Dimension::time, where);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].pointer == "/equals");
  CHECK(problems[0].message == "read 5; expected a time such as \"2 us\"");
  problems.clear();
  bounds(R"({"equals": "2 us", "within": 5})").check_dimension(Dimension::time, where);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].pointer == "/within");
}
