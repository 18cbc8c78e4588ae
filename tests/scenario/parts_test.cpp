// Parts and templates: what stands in their place, and where their mistakes are reported.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/parts.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fstream>

using namespace viosim;

namespace {

class Files {
 public:
  void part(const std::string& name, const std::string& content) const {
    write(name, R"({"description": "d", "source": "s", "content": )" + content + "}");
  }
  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = scratch_ / ("parts/" + name + ".json");
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::string scenario() const { return (scratch_ / "s.json").string(); }
  std::string path_of(const std::string& part) const {
    return (scratch_ / ("parts/" + part + ".json")).string();
  }
  AssembledDocument assembled(const std::string& text) const {
    return assemble(parse_json(text, scenario()), scenario());
  }
  std::string whole(const std::string& text) const { return to_text(assembled(text).document); }
  std::vector<Problem> problems(const std::string& text) const {
    try {
      assembled(text);
    } catch (const ConfigError& error) {
      return error.problems();
    }
    return {};
  }

 private:
  Scratch scratch_;
};

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a part stands where it is named, changed by what stands beside it",
          "[scenario][parts]") {
  const Files files;
  files.part("links/slow",
             R"({"latency": "1 us", "lanes": {"count": 4, "rate": 8}, "tags": [1, 2]})");
  CHECK(files.whole(R"({"link": {"part": "links/slow"}})") ==
        R"({"link": {"latency": "1 us", "lanes": {"count": 4, "rate": 8}, "tags": [1, 2]}})");
  CHECK(
      files.whole(
          R"({"link": {"part": "links/slow", "lanes": {"rate": 16}, "tags": [3], "name": "x"}})") ==
      R"({"link": {"latency": "1 us", "lanes": {"count": 4, "rate": 16}, "tags": [3], "name": "x"}})");
  CHECK(files.whole(R"({"link": {"part": "links/slow", "lanes": null, "tags": null}})") ==
        R"({"link": {"latency": "1 us"}})");
}

TEST_CASE("parts are made of parts, and a named part replaces what was there",
          "[scenario][parts]") {
  const Files files;
  files.part("a", R"({"x": {"one": 1}, "y": 2})");
  files.part("b", R"({"part": "a", "y": 3, "z": {"part": "c"}})");
  files.part("c", R"({"two": 2})");
  CHECK(files.whole(R"({"part": "b"})") == R"({"x": {"one": 1}, "y": 3, "z": {"two": 2}})");
  CHECK(files.whole(R"([{"part": "b", "x": {"part": "c"}}])") ==
        R"([{"x": {"two": 2}, "y": 3, "z": {"two": 2}}])");
}

TEST_CASE("a template is a part of its own file", "[scenario][parts]") {
  const Files files;
  CHECK(files.whole(R"({"templates": {"t": {"n": 1, "u": {"template": "v"}}, "v": {"w": 2}},
                        "list": [{"template": "t"}, {"template": "t", "u": {"w": 3}}]})") ==
        R"({"list": [{"n": 1, "u": {"w": 2}}, {"n": 1, "u": {"w": 3}}]})");
}

TEST_CASE("a part is looked for beside the file and then further up", "[scenario][parts]") {
  const Files files;
  files.part("deep/er/inner", R"({"part": "outer"})");
  files.part("outer", R"({"x": 1})");
  CHECK(files.whole(R"({"part": "deep/er/inner"})") == R"({"x": 1})");
}

TEST_CASE("a mistake is reported where its text stands, with who uses it", "[scenario][parts]") {
  const Files files;
  files.part("iommu", R"({"model": "vtd", "iotlb": {"entrys": 4}, "walkers": 2})");
  const std::string text = R"({"name": "n", "hosts": [{"name": "h",
      "iommus": [{"part": "iommu", "name": "i", "walkers": "six"}], "devices": []}]})";
  const AssembledDocument whole = files.assembled(text);
  std::vector<Problem> problems;
  try {
    read_scenario(whole.document, files.scenario());
  } catch (const ConfigError& error) {
    problems = whole.origins.locate(error.problems());
  }
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].file == files.path_of("iommu"));
  CHECK(problems[0].pointer == "/content/iotlb/entrys");
  CHECK(says(problems[0].message, "did you mean \"entries\"?"));
  CHECK(says(problems[0].message, "used by " + files.scenario() + ": /hosts/0/iommus/0"));
  CHECK(problems[1].file == files.scenario());
  CHECK(problems[1].pointer == "/hosts/0/iommus/0/walkers");
}

TEST_CASE("what is missing is missed where the object is used", "[scenario][parts]") {
  const Files files;
  files.part("iommu", R"({"model": "vtd"})");
  const AssembledDocument whole = files.assembled(R"({"list": [{"part": "iommu"}]})");
  CHECK(whole.origins.find("/list/0", files.scenario()).file == files.scenario());
  CHECK(whole.origins.find("/list/0/model", files.scenario()).file == files.path_of("iommu"));
  CHECK(whole.origins.find("/list/0/name", files.scenario()).pointer == "/list/0/name");
}

TEST_CASE("places survive merging over two parts", "[scenario][parts]") {
  const Files files;
  files.part("a", R"({"x": {"one": 1, "two": 2}})");
  files.part("b", R"({"part": "a", "x": {"two": 3}})");
  const AssembledDocument whole = files.assembled(R"({"k": {"part": "b", "x": {"three": 4}}})");
  const auto place = [&](const std::string& pointer) {
    return whole.origins.find(pointer, files.scenario()).text();
  };
  CHECK(place("/k/x/one") == files.path_of("a") + ": /content/x/one");
  CHECK(place("/k/x/two") == files.path_of("b") + ": /content/x/two");
  CHECK(place("/k/x/three") == files.scenario() + ": /k/x/three");
  CHECK(place("/k/x") == files.scenario() + ": /k/x");
}

TEST_CASE("a circle is reported with its chain", "[scenario][parts]") {
  const Files files;
  files.part("a", R"({"x": {"part": "b"}})");
  files.part("b", R"({"y": {"part": "a"}})");
  const std::vector<Problem> problems = files.problems(R"({"hosts": [{"part": "a"}]})");
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].file == files.path_of("b"));
  CHECK(problems[0].pointer == "/content/y/part");
  CHECK(says(problems[0].message, "part \"a\" is made of itself"));
  CHECK(says(problems[0].message, "part \"b\" is used at " + files.path_of("a") + ": /content/x"));
  CHECK(says(problems[0].message, "used by " + files.scenario() + ": /hosts/0"));
  CHECK(
      files.problems(R"({"templates": {"t": {"template": "t"}}, "x": {"template": "t"}})").size() ==
      1);
}

TEST_CASE("what is named and is not there is reported", "[scenario][parts]") {
  const Files files;
  files.write("broken", "{");
  files.write("bare", R"({"latency": "1 us"})");
  files.write("list", R"({"description": "d", "source": "s", "content": [1]})");
  const auto first = [&](const std::string& text) {
    const std::vector<Problem> problems = files.problems(text);
    return problems.empty() ? std::string() : problems[0].text();
  };
  CHECK(says(first(R"({"x": {"part": "none"}})"),
             "s.json: /x/part: read \"none\"; expected the name of a part"));
  CHECK(says(first(R"({"x": {"part": "../up"}})"), "letters, digits"));
  CHECK(says(first(R"({"x": {"part": "/etc/passwd"}})"), "letters, digits"));
  CHECK(says(first(R"({"x": {"part": 7}})"), "/x/part: read 7; expected the name of a part"));
  CHECK(says(first(R"({"x": {"part": "broken"}})"), "used by " + files.scenario() + ": /x"));
  CHECK(says(first(R"({"x": {"part": "bare"}})"), "/latency: unknown key"));
  CHECK(says(first(R"({"x": {"part": "list"}})"),
             "/content: read a list of 1 value; expected an object"));
  CHECK(says(first(R"({"templates": {"fast": {}}, "x": {"template": "fats"}})"),
             "did you mean \"fast\"?"));
  CHECK(
      says(first(R"({"templates": {"fast": 7}})"), "/templates/fast: read 7; expected an object"));
  CHECK(says(first(R"({"templates": []})"), "/templates: read an empty list"));
  CHECK(says(first(R"({"x": {"part": "a", "template": "b"}})"),
             "read both \"part\" and \"template\""));
}

TEST_CASE("a template that nobody uses is checked for what it names", "[scenario][parts]") {
  const Files files;
  const auto told = [&](const std::string& templates) {
    std::vector<std::string> texts;
    for (const Problem& problem : files.problems(R"({"templates": {)" + templates + "}}"))
      texts.push_back(problem.pointer + ": " + problem.message);
    return texts;
  };
  const auto first = [&](const std::string& templates) {
    const auto texts = told(templates);
    REQUIRE(texts.size() == 1);
    return texts[0];
  };
  CHECK(says(first(R"("unused thing": {"x": 1})"),
             "/templates: read the name \"unused thing\"; expected 1 to 64 letters, digits"));
  CHECK(says(first(R"("t": {"template": "t"})"),
             "/templates/t/template: template \"t\" is made of itself"));
  CHECK(says(first(R"("fast": {}, "t": {"x": {"template": "fats"}})"),
             "/templates/t/x/template: read \"fats\"; expected the name of a template"));
  CHECK(says(first(R"("t": {"list": [{"part": "none"}]})"), "/templates/t/list/0/part"));
  SECTION("once, whoever names it") {
    CHECK(told(R"("a": {"part": "none"}, "b": {"template": "a"}, "c": {"template": "a"})").size() ==
          1);
    CHECK(told(R"("c": {"part": "none"}, "b": {"template": "c"}, "a": {"template": "b"})").size() ==
          1);
    CHECK(told(R"("a": {"template": "b"}, "b": {"template": "a"})").size() == 1);
  }
  SECTION("and leaves no trace") {
    const AssembledDocument whole =
        files.assembled(R"({"templates": {"t": {"x": {"template": "u"}}, "u": {"y": 1}}, "k": 2})");
    CHECK(to_text(whole.document) == R"({"k": 2})");
    CHECK(whole.origins.find("/x/y", files.scenario()).pointer == "/x/y");
  }
}

TEST_CASE("templates that double each time are stopped", "[scenario][parts]") {
  std::string templates = R"("t0": {})";
  for (int i = 1; i < 60; ++i) {
    templates += ", \"t" + std::to_string(i) + "\": {\"a\": {\"template\": \"t" +
                 std::to_string(i - 1) + "\"}, \"b\": {\"template\": \"t" + std::to_string(i - 1) +
                 "\"}}";
  }
  const Files files;
  const std::vector<Problem> problems =
      files.problems(R"({"templates": {)" + templates + R"(}, "x": {"template": "t59"}})");
  REQUIRE_FALSE(problems.empty());
  CHECK(says(problems[0].message, "parts and templates are put in more than 100000 times"));
}
