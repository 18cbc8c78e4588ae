// Names and finds the files of parts.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/part_file.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/parts.hpp"

#include <algorithm>
#include <system_error>

namespace viosim {

bool is_part_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  };
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), plain) &&
         name.front() != '/' && name.back() != '/' && name.find("..") == std::string_view::npos;
}

std::optional<std::filesystem::path> find_part(const std::string& name,
                                               const std::filesystem::path& user) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path folder = user.parent_path();
  for (;;) {
    const fs::path candidate = folder / "parts" / (name + ".json");
    if (fs::is_regular_file(candidate, ignored)) return candidate;
    // Messages name files as the user did, as far as that leads upwards.
    if (folder.empty() || folder.filename() == "." || folder.filename() == "..") {
      folder = fs::weakly_canonical(fs::current_path(ignored) / folder, ignored);
    }
    const fs::path up = folder.parent_path();
    if (up == folder) return {};
    folder = up;
  }
}

std::optional<std::filesystem::path> PartFiles::find(const std::string& name,
                                                     const std::string& user) {
  const auto [at, is_new] = found_.try_emplace({name, user});
  if (is_new) at->second = finder_(name, user);
  return at->second;
}

const PartFile& PartFiles::read(const std::string& path) {
  const auto known = read_.find(path);
  if (known != read_.end()) return known->second;
  return read_.emplace(path, read_document<PartFile>(read_json_file(path), path)).first->second;
}

}  // namespace viosim
