// `viosim report`: one HTML file that shows a run or a sweep.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

namespace viosim::report {

struct Written {
  std::filesystem::path file;
  std::uint64_t bytes = 0;
};

// The file beside a database in which its report is by default: run.html for run.db. Throws ConfigError for names of
// open files, such as /dev/stdin, which have no place beside them.
std::filesystem::path usual_output(const std::filesystem::path& database);

// Writes the report of a run database or of the result of a sweep; the file gets its name when it is whole. The same
// database gives the same bytes. Throws ConfigError: the database is none or damaged, or the file cannot be
// written.
Written write_report(const std::filesystem::path& database, const std::filesystem::path& out);

}  // namespace viosim::report
