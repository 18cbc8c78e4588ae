// Runs every rule over a tree.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/tidy.hpp"

#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <tuple>

namespace viosim::tidy {

std::string Finding::text() const {
  const std::string place = line == 0 ? path : path + ":" + std::to_string(line);
  return place + ": " + what + "; right: " + right;
}

Findings check_tree(const std::filesystem::path& root) {
  const Tree tree = read_tree(root);
  Findings findings;
  for (const auto rule :
       {check_include_direction, check_library_use, check_wall_clock, check_randomness,
        check_unordered_loops, check_first_lines, check_line_length, check_function_length,
        check_unfinished_work, check_prefetches, check_every_source_is_built,
        check_every_folder_has_readme, check_top_level}) {
    rule(tree, findings);
  }
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.path, a.line) < std::tie(b.path, b.line);
  });
  return findings;
}

}  // namespace viosim::tidy
