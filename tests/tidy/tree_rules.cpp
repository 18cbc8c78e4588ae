// What stands where: no dead sources, a README in every folder, a short top level.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace viosim::tidy {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 10> allowed_top_level = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE",   "README.md", "core",
    "models",         "results",           "scenarios", "sim",       "tests"};

std::string folder_of(const std::string& path) {
  return fs::path(path).parent_path().generic_string();
}

// Whether the CMake file lists the source by the name it has from there, as a word of its own.
bool lists(const SourceFile& cmake, const std::string& source) {
  const std::string folder = folder_of(cmake.path);
  if (!folder.empty() && !source.starts_with(folder + "/")) return false;
  const std::string name = folder.empty() ? source : source.substr(folder.size() + 1);
  return std::any_of(cmake.lines.begin(), cmake.lines.end(), [&](const std::string& line) {
    const std::size_t at = line.substr(0, line.find('#')).find(name);
    if (at == std::string::npos) return false;
    const std::size_t end = at + name.size();
    const auto separates = [](char c) { return c == ' ' || c == '(' || c == ')' || c == '"'; };
    return (at == 0 || separates(line[at - 1])) && (end == line.size() || separates(line[end]));
  });
}

}  // namespace

void check_every_source_is_built(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (!file.path.ends_with(".cpp")) continue;
    const bool built = std::any_of(tree.files.begin(), tree.files.end(), [&](const auto& cmake) {
      return cmake.path.ends_with("CMakeLists.txt") && lists(cmake, file.path);
    });
    if (built) continue;
    findings.push_back({file.path, 0, "is listed in no CMakeLists.txt",
                        "list it where it is built, or remove it"});
  }
}

void check_every_folder_has_readme(const Tree& tree, Findings& findings) {
  std::set<std::string> folders;
  for (const SourceFile& file : tree.files) {
    if (file.is_cpp()) folders.insert(folder_of(file.path));
  }
  for (const std::string& folder : folders) {
    if (fs::exists(tree.root / folder / "README.md")) continue;
    findings.push_back({folder, 0, "has sources and no README.md",
                        "a short one: what lives here, what does not, where to start reading"});
  }
}

void check_top_level(const Tree& tree, Findings& findings) {
  for (const std::string& name : tree.top_level) {
    const bool allowed = name.starts_with('.') ||
                         std::find(allowed_top_level.begin(), allowed_top_level.end(), name) !=
                             allowed_top_level.end();
    if (allowed) continue;
    findings.push_back({name, 0, "stands at the top level",
                        "a place in core, models, sim, scenarios, results or tests"});
  }
}

}  // namespace viosim::tidy
