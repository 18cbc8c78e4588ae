// Another run of this program, as a process of its own: an engine of SimGrid has its process for itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace viosim {

struct ChildResult {
  int exit_code = 0;   // 128 + the signal's number when one ended it
  std::string output;  // what it printed, errors included
};

// Waits for it. What it prints goes to `log`, which is removed.
ChildResult run_child(const std::filesystem::path& program,
                      const std::vector<std::string>& arguments, const std::filesystem::path& log);

}  // namespace viosim
