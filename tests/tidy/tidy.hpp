// The house rules as a fast test: what a source tree must look like, and what is wrong with one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace viosim::tidy {

// One breach of one rule. Line 0: the whole file or folder.
struct Finding {
  std::string path;  // from the root of the tree
  std::size_t line = 0;
  std::string what;   // what was found
  std::string right;  // what would be right

  std::string text() const;
};

using Findings = std::vector<Finding>;

// Every breach in the tree below `root`, by path and line.
Findings check_tree(const std::filesystem::path& root);

}  // namespace viosim::tidy
