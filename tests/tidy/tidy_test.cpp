// The rules of the house, each shown on a small tree that breaks it.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/tidy.hpp"

#include "tests/support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <utility>

namespace fs = std::filesystem;
using viosim::tidy::check_tree;
using viosim::tidy::Finding;
using viosim::tidy::Findings;

namespace {

const std::string head = "// Says what the file is for.\n// SPDX-License-Identifier: Apache-2.0\n";
const std::string shell_head =
    "#!/bin/sh\n# Says what the script is for.\n# SPDX-License-Identifier: Apache-2.0\n";

// A correct tree in a temporary folder, to be broken in one place.
class FakeTree {
 public:
  FakeTree() {
    std::string name = (fs::temp_directory_path() / "viosim-tidy-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    root_ = name;
    for (const std::string folder :
         {"core/base", "core/des", "core/ioasid", "models", "sim", "tests/bench"}) {
      write(folder + "/a.hpp", head + "#pragma once\n");
      write(folder + "/a.cpp", head + "#include \"" + folder + "/a.hpp\"\n");
      write(folder + "/README.md", "# Here\n");
      write(folder + "/CMakeLists.txt", "viosim_library(a SOURCES a.cpp LINKS b)\n");
    }
    write(".gitignore", "/build*/\n*.db\n");
    write("CMakeLists.txt", "project(fake)\n");
    write("tests/run.sh", shell_head + "echo tests\n");
  }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;
  ~FakeTree() { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void remove(const std::string& path) const { fs::remove_all(root_ / path); }
  Findings check() const { return check_tree(root_); }

 private:
  fs::path root_;
};

// What to write where, and the one finding that must come of it.
struct Breach {
  std::string path;
  std::string text;
  std::string place;
  std::string what;
};

void check_reported(const Breach& breach) {
  CAPTURE(breach.path, breach.text);
  const FakeTree tree;
  tree.write(breach.path, breach.text);
  const Findings findings = tree.check();
  REQUIRE(findings.size() == 1);
  const std::string text = findings[0].text();
  CAPTURE(text);
  CHECK(text.starts_with(breach.place + ": "));
  CHECK(findings[0].what.find(breach.what) != std::string::npos);
  CHECK_FALSE(findings[0].right.empty());
}

void check_accepted(const std::string& path, const std::string& text) {
  CAPTURE(path, text);
  const FakeTree tree;
  tree.write(path, text);
  for (const Finding& finding : tree.check()) FAIL_CHECK(finding.text());
}

std::string line_of(std::size_t columns) { return "// " + std::string(columns - 3, 'x') + "\n"; }

// A function whose braces stand `lines` lines apart, both included.
std::string function_of(std::size_t lines) {
  std::string text = head + "int long_one() {\n";
  for (std::size_t i = 2; i < lines; ++i) text += "  if (true) { work(); }\n";
  return text + "}\n";
}

}  // namespace

TEST_CASE("a tree that keeps the rules has no findings", "[tidy]") {
  for (const Finding& finding : FakeTree().check()) FAIL_CHECK(finding.text());
}

TEST_CASE("an include that points upwards is reported", "[tidy]") {
  const auto [path, header] =
      GENERATE(table<std::string, std::string>({{"core/des/a.hpp", "models/a.hpp"},
                                                {"core/base/a.hpp", "core/des/a.hpp"},
                                                {"core/des/a.hpp", "core/ioasid/a.hpp"},
                                                {"core/des/a.hpp", "ioasid/a.hpp"},
                                                {"core/ioasid/a.hpp", "core/base/a.hpp"},
                                                {"models/a.hpp", "sim/a.hpp"},
                                                {"models/a.hpp", "tests/bench/a.hpp"},
                                                {"sim/a.hpp", "tests/bench/a.hpp"}}));
  check_reported({path, head + "#include \"" + header + "\"\n", path + ":3", header});
}

TEST_CASE("an include that points downwards is accepted", "[tidy]") {
  const auto [path, header] =
      GENERATE(table<std::string, std::string>({{"core/des/a.hpp", "core/base/a.hpp"},
                                                {"models/a.hpp", "core/des/a.hpp"},
                                                {"core/ioasid/a.cpp", "ioasid/a.hpp"},
                                                {"models/a.hpp", "ioasid/a.hpp"},
                                                {"sim/a.hpp", "models/a.hpp"},
                                                {"tests/bench/a.hpp", "sim/a.hpp"}}));
  check_accepted(path, head + "#include \"" + header + "\"\n");
}

TEST_CASE("a header of ours that is not named from the root is reported", "[tidy]") {
  check_reported({"sim/a.hpp", head + "#include \"b.hpp\"\n", "sim/a.hpp:3", "b.hpp"});
}

TEST_CASE("a library outside its place is reported", "[tidy]") {
  const auto [path, header] =
      GENERATE(table<std::string, std::string>({{"core/base/a.hpp", "simgrid/s4u.hpp"},
                                                {"models/a.hpp", "simgrid/s4u/Actor.hpp"},
                                                {"sim/a.hpp", "xbt/log.h"},
                                                {"tests/bench/a.hpp", "simgrid/s4u.hpp"},
                                                {"core/ioasid/a.hpp", "nlohmann/json.hpp"},
                                                {"models/a.hpp", "nlohmann/json_fwd.hpp"},
                                                {"sim/a.hpp", "CLI/CLI.hpp"},
                                                {"core/des/a.hpp", "sqlite3.h"},
                                                {"sim/a.hpp", "catch2/catch.hpp"}}));
  check_reported({path, head + "#include <" + header + ">\n", path + ":3", header});
}

TEST_CASE("a library in its place is accepted", "[tidy]") {
  check_accepted("core/des/a.hpp", head + "#include <simgrid/s4u.hpp>\n");
  check_accepted("sim/a.hpp", head + "#include <nlohmann/json.hpp>\n");
}

TEST_CASE("reading the wall clock is reported", "[tidy]") {
  const std::string code =
      GENERATE(as<std::string>(), "auto t = std::chrono::steady_clock::now();",
               "using Clock = std::chrono::system_clock;", "auto t = std::time(nullptr);",
               "t = time(&now);", "gettimeofday(&tv, nullptr);",
               "clock_gettime(CLOCK_MONOTONIC, &ts);", "const char* built = __DATE__;");
  check_reported({"models/a.hpp", head + code + "\n", "models/a.hpp:3", "wall clock"});
}

TEST_CASE("real time is accepted where it is the subject, and in comments and strings", "[tidy]") {
  check_accepted("tests/bench/a.hpp", head + "auto t = std::chrono::steady_clock::now();\n");
  check_accepted("models/a.hpp", head + "// unlike steady_clock, this is exact\n");
  check_accepted("models/a.hpp", head + "auto s = \"\\\"time(nullptr)\"; auto t = event.time();\n");
  check_accepted("models/a.hpp", head + "auto s = R\"(a \" steady_clock)\"; /* rand() */\n");
}

TEST_CASE("a source of chance other than ours is reported", "[tidy]") {
  const std::string code =
      GENERATE(as<std::string>(), "int n = rand();", "int n = std::rand();", "srand(1);",
               "std::random_device seed;", "std::mt19937 engine(1);", "std::mt19937_64 engine(1);",
               "std::uniform_int_distribution<int> die(1, 6);",
               "std::normal_distribution die(0.0, 1'000.0);", "std::shuffle(a, b, rng);");
  check_reported({"sim/a.hpp", head + code + "\n", "sim/a.hpp:3", "random"});
}

TEST_CASE("chance after a digit separator is still seen", "[tidy]") {
  check_reported({"sim/a.hpp", head + "int n = 1'000; int m = rand();\n", "sim/a.hpp:3", "rand"});
}

TEST_CASE("a loop in the order of hashes is reported, also over what the header declares",
          "[tidy]") {
  const std::string member = "  std::unordered_map<Pasid, std::vector<int>> users_;\n";
  const std::string loop = "  for (const auto& [pasid, user] : users_) print(user);\n";
  check_reported({"sim/a.hpp", head + member + loop, "sim/a.hpp:4", "hashes"});
  const FakeTree tree;
  tree.write("sim/a.hpp", head + member);
  tree.write("sim/a.cpp", head + loop);
  const Findings findings = tree.check();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].text().starts_with("sim/a.cpp:3: goes through users_"));
}

TEST_CASE("a loop in an order of ours is accepted", "[tidy]") {
  check_accepted("sim/a.hpp",
                 head + "std::map<int, int> users;\nfor (auto& user : users) f(user);\n");
  check_accepted("sim/a.hpp",
                 head + "std::unordered_set<int> seen;\nfor (int id : ids) seen.insert(id);\n");
}

TEST_CASE("a source that no CMake file lists is reported", "[tidy]") {
  check_reported({"models/lost.cpp", head, "models/lost.cpp", "no CMakeLists.txt"});
  check_reported({"models/aa.cpp", head, "models/aa.cpp", "no CMakeLists.txt"});
}

TEST_CASE("a source that only a comment of a CMake file names is reported", "[tidy]") {
  check_reported({"sim/CMakeLists.txt", "# a.cpp was here\n", "sim/a.cpp", "no CMakeLists.txt"});
}

TEST_CASE("a source listed by the folder above is accepted", "[tidy]") {
  const FakeTree tree;
  tree.write("models/iommu/iotlb.cpp", head);
  tree.write("models/iommu/README.md", "# Here\n");
  tree.write("models/CMakeLists.txt", "viosim_library(a SOURCES\n  a.cpp\n  iommu/iotlb.cpp)\n");
  for (const Finding& finding : tree.check()) FAIL_CHECK(finding.text());
}

TEST_CASE("a folder with sources and no README is reported", "[tidy]") {
  const FakeTree tree;
  tree.remove("core/des/README.md");
  const Findings findings = tree.check();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].text().starts_with("core/des: has sources and no README.md"));
}

TEST_CASE("a test folder needs a README like any other", "[tidy]") {
  check_reported({"tests/base/a.hpp", head, "tests/base", "no README.md"});
}

TEST_CASE("a source without its first lines is reported", "[tidy]") {
  const std::string purpose = "// Says what the file is for.\n";
  const std::string licence = "// SPDX-License-Identifier: Apache-2.0\n";
  check_reported({"sim/a.hpp", purpose + "#pragma once\n", "sim/a.hpp:1", "no licence line"});
  check_reported({"sim/a.hpp", licence + "#pragma once\n", "sim/a.hpp:1", "what the file is for"});
  check_reported({"sim/a.hpp", "//\n" + licence, "sim/a.hpp:1", "what the file is for"});
  check_reported({"sim/a.hpp", purpose + "\n" + licence, "sim/a.hpp:1", "no licence line"});
}

TEST_CASE("a script without its first lines is reported", "[tidy]") {
  const std::string licence = "# SPDX-License-Identifier: Apache-2.0\n";
  check_reported({"tests/run.sh", "#!/bin/sh\n" + licence, "tests/run.sh:2", "what the script"});
  check_reported({".ci/run", "#!/bin/bash\n# Everything CI checks.\n", ".ci/run:2", "no licence"});
}

TEST_CASE("a line is at most 120 columns", "[tidy]") {
  check_accepted("sim/a.hpp", head + line_of(120));
  check_reported({"sim/a.hpp", head + line_of(121), "sim/a.hpp:3", "121 columns"});
}

TEST_CASE("a line that is one long text may be longer, a long comment may not", "[tidy]") {
  const std::string text = "\"" + std::string(120, 'x') + "\"";
  check_accepted("sim/a.hpp", head + "auto s = R" + text + ";\n");
  check_accepted("sim/a.hpp", head + "    " + text + ",\n");
  check_reported({"sim/a.hpp", head + "// says " + text + "\n", "sim/a.hpp:3", "columns"});
  check_reported({"sim/a.hpp", head + "auto made = make_something_of(here, " + text + ");\n",
                  "sim/a.hpp:3", "columns"});
}

TEST_CASE("a column is a character, not a byte", "[tidy]") {
  std::string micro = line_of(119);
  micro.insert(3, "\xc2\xb5");
  check_accepted("sim/a.hpp", head + micro);
}

TEST_CASE("a function is at most 80 lines", "[tidy]") {
  check_accepted("sim/a.hpp", function_of(80));
  check_reported({"sim/a.hpp", function_of(81), "sim/a.hpp:3", "81 lines"});
}

TEST_CASE("a long member function is reported where it starts", "[tidy]") {
  std::string text =
      head + "namespace viosim {\nclass A : public B {\n public:\n  void f() const {\n";
  for (int i = 0; i < 90; ++i) text += "    work();\n";
  check_reported({"sim/a.hpp", text + "  }\n};\n}\n", "sim/a.hpp:6", "92 lines"});
}

TEST_CASE("a long table or class is no long function", "[tidy]") {
  std::string table = head + "constexpr std::array kinds = {\n";
  std::string type = head + "class A {\n";
  for (int i = 0; i < 90; ++i) {
    table += "    Kind{1, \"(\"},\n";
    type += "  void f() {}\n";
  }
  check_accepted("sim/a.hpp", table + "};\n");
  check_accepted("sim/a.hpp", type + "};\n");
}

TEST_CASE("a word that admits unfinished work is reported in any text", "[tidy]") {
  const std::string word = GENERATE(as<std::string>(),
                                    "TO"
                                    "DO",
                                    "FIX"
                                    "ME",
                                    "XX"
                                    "X");
  check_reported({"sim/a.hpp", head + "// " + word + ": later\n", "sim/a.hpp:3", word});
  check_reported({"sim/README.md", "# Here\n\n" + word + "\n", "sim/README.md:3", word});
  check_reported({"CMakeLists.txt", "# " + word + "\n", "CMakeLists.txt:1", word});
}

TEST_CASE("a prefetch that the compiler may remove is reported", "[tidy]") {
  const std::string text = head + "void fetch(int* p) { __builtin_prefetch(p); }\n";
  check_reported({"models/a.hpp", text, "models/a.hpp:3", "prefetches by itself"});
  check_accepted("core/base/prefetch.hpp", text);
}

TEST_CASE("an unexpected top-level entry is reported", "[tidy]") {
  check_reported({"docs/a.md", "# Here\n", "docs", "top level"});
  check_reported({"notes.txt", "here\n", "notes.txt", "top level"});
}

TEST_CASE("dot files and what git ignores may stand at the top level", "[tidy]") {
  check_accepted(".editorconfig", "root = true\n");
  check_accepted("build-clang/a.txt", "built\n");
  check_accepted("run.db", "");
}

TEST_CASE("findings are in order of path and line", "[tidy]") {
  const FakeTree tree;
  tree.write("sim/a.hpp", head + "int a = rand();\nint b = rand();\n");
  tree.write("core/base/a.hpp", head + "int a = rand();\n");
  const Findings findings = tree.check();
  REQUIRE(findings.size() == 3);
  CHECK(findings[0].path == "core/base/a.hpp");
  CHECK(findings[1].line == 3);
  CHECK(findings[2].line == 4);
}
