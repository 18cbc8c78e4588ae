// A text file of the tree, split into lines, and its code with comments and strings blanked out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace viosim::tidy {

struct SourceFile {
  std::string path;                // from the root of the tree, with slashes
  std::vector<std::string> lines;  // as written
  std::vector<std::string> code;   // C++ only: same shape, comments and literals are blanks

  bool is_cpp() const;    // .cpp, .hpp
  bool is_shell() const;  // .sh, and shell scripts named in .ci
  bool below(std::string_view folder) const;
};

// The files of one source tree that the rules look at, sorted by path.
struct Tree {
  std::filesystem::path root;
  std::vector<SourceFile> files;
  std::vector<std::string> top_level;  // names in the root that .gitignore does not exclude
};

SourceFile make_source_file(std::string path, std::string_view text);
Tree read_tree(const std::filesystem::path& root);

// Whether `word` stands in `line` with no letter, digit or underscore on either side, from `start`.
std::size_t find_word(std::string_view line, std::string_view word, std::size_t start = 0);

// The name in an #include line, with its quotes or angle brackets; empty for any other line.
std::string_view included_name(std::string_view line);

}  // namespace viosim::tidy
