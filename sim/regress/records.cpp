// Finds records and reads their descriptions.
// SPDX-License-Identifier: Apache-2.0
#include "sim/regress/records.hpp"

#include "sim/json/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace viosim {

std::vector<Record> records_in(const std::filesystem::path& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(directory, error);
  if (error)
    throw ConfigError({directory.string(), "",
                       fmt::format("cannot be read as a directory: {}", error.message())});
  std::vector<Record> records;
  std::vector<Problem> problems;
  for (const std::filesystem::directory_entry& entry : entries) {
    const std::filesystem::path file = entry.path() / "record.json";
    // A link to nowhere is a record that cannot be read, not a folder without one.
    if (!std::filesystem::exists(std::filesystem::symlink_status(file))) continue;
    try {
      records.push_back({entry.path().filename().string(), entry.path(),
                         read_document<RecordDescription>(read_json_file(file), file.string())});
    } catch (const ConfigError& mistake) {
      problems.insert(problems.end(), mistake.problems().begin(), mistake.problems().end());
    }
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  if (records.empty())
    throw ConfigError({directory.string(), "",
                       "holds no records; expected folders with a record.json and a run.db"});
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.name < b.name; });
  return records;
}

}  // namespace viosim
