// Arrows only downwards: core <- models <- sim, and each foreign library on the floor it belongs
// to.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <array>

namespace viosim::tidy {
namespace {

namespace fs = std::filesystem;

// A part of the house and the only parts it may include from; a part's own files are always fine.
struct Floor {
  std::string_view folder;
  std::array<std::string_view, 4> may_include;
};

constexpr std::array floors = {
    Floor{"core/base/", {}},
    Floor{"core/ioasid/", {}},  // a library of its own, for programs that have no viosim
    Floor{"core/des/", {"core/base/"}},
    Floor{"models/", {"core/"}},
    Floor{"sim/", {"core/", "models/"}},
    Floor{"tests/", {"core/", "models/", "sim/"}},
};

// A library and the only places whose files may include it.
struct Library {
  std::string_view header;  // start of the name in angle brackets
  std::string_view name;
  std::array<std::string_view, 3> places;
};

constexpr std::array libraries = {
    Library{"<simgrid/", "SimGrid", {"core/des/"}},
    Library{"<xbt/", "SimGrid", {"core/des/"}},
    Library{"<nlohmann/", "JSON", {"sim/", "tests/"}},
    Library{"<valijson/", "JSON schema validation", {"tests/"}},
    Library{"<CLI/", "the command line library", {"sim/command_line/"}},
    Library{"<sqlite3", "SQLite", {"sim/", "tests/"}},
    Library{"<catch2/", "the test framework", {"tests/"}},
    Library{"<rapidcheck", "the test framework", {"tests/"}},
    Library{"<benchmark/", "the benchmark library", {"tests/bench/"}},
};

template <std::size_t N>
bool starts_with_one_of(std::string_view text, const std::array<std::string_view, N>& starts) {
  return std::any_of(starts.begin(), starts.end(), [&](std::string_view start) {
    return !start.empty() && text.starts_with(start);
  });
}

template <std::size_t N>
std::string listed(const std::array<std::string_view, N>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!name.empty()) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

template <std::size_t N>
std::string listed_with(std::string_view first, const std::array<std::string_view, N>& names) {
  const std::string others = listed(names);
  return std::string(first) + (others.empty() ? "" : ", " + others);
}

// Calls use(line number, name) for each include of the file.
template <class Use>
void for_each_include(const SourceFile& file, Use use) {
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string_view name = included_name(file.lines[i]);
    if (!name.empty()) use(i + 1, name);
  }
}

// The allocator's headers are named as a program that installed the library names them.
std::string from_root(std::string_view name) {
  return (name.starts_with("ioasid/") ? "core/" : "") + std::string(name);
}

void check_own_include(const Tree& tree, const SourceFile& file, std::size_t line,
                       const std::string& name, Findings& findings) {
  if (!fs::exists(tree.root / name)) {
    findings.push_back({file.path, line, "includes \"" + name + "\"",
                        "our headers are named from the root of the tree"});
    return;
  }
  for (const Floor& floor : floors) {
    if (!file.below(floor.folder) || name.starts_with(floor.folder)) continue;
    if (starts_with_one_of(name, floor.may_include)) continue;
    findings.push_back({file.path, line, "includes \"" + name + "\"",
                        std::string(floor.folder) + " includes from nothing of ours but " +
                            listed_with(floor.folder, floor.may_include)});
  }
}

}  // namespace

void check_include_direction(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (!file.is_cpp()) continue;
    for_each_include(file, [&](std::size_t line, std::string_view name) {
      if (name.front() == '"') {
        check_own_include(tree, file, line, from_root(name.substr(1, name.size() - 2)), findings);
      }
    });
  }
}

void check_library_use(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (!file.is_cpp()) continue;
    for_each_include(file, [&](std::size_t line, std::string_view name) {
      for (const Library& library : libraries) {
        if (!name.starts_with(library.header)) continue;
        if (starts_with_one_of(file.path, library.places)) continue;
        findings.push_back(
            {file.path, line, "includes " + std::string(name),
             std::string(library.name) + " is used only in " + listed(library.places)});
      }
    });
  }
}

}  // namespace viosim::tidy
