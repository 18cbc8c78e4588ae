// The rules, one function each. A rule looks at the whole tree and adds what it finds.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/tidy/source_file.hpp"
#include "tests/tidy/tidy.hpp"

namespace viosim::tidy {

// Who may include what (include_rules.cpp).
void check_include_direction(const Tree& tree, Findings& findings);
void check_library_use(const Tree& tree, Findings& findings);

// What makes two runs differ (repeatability_rules.cpp).
void check_wall_clock(const Tree& tree, Findings& findings);
void check_randomness(const Tree& tree, Findings& findings);
void check_unordered_loops(const Tree& tree, Findings& findings);

// What a file looks like (text_rules.cpp).
void check_first_lines(const Tree& tree, Findings& findings);
void check_line_length(const Tree& tree, Findings& findings);
void check_function_length(const Tree& tree, Findings& findings);
void check_unfinished_work(const Tree& tree, Findings& findings);
void check_prefetches(const Tree& tree, Findings& findings);

// What stands where (tree_rules.cpp).
void check_every_source_is_built(const Tree& tree, Findings& findings);
void check_every_folder_has_readme(const Tree& tree, Findings& findings);
void check_top_level(const Tree& tree, Findings& findings);

}  // namespace viosim::tidy
