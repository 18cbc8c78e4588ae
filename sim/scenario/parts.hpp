// Puts the parts and templates that a scenario names in their places.
// SPDX-License-Identifier: Apache-2.0
//
// An object with the key "part" stands for the content of parts/NAME.json, one with the key
// "template" for that template of the same file; its other keys say what is different (JSON merge
// patch, RFC 7396: objects are merged, null removes, everything else replaces). What is put in may
// name parts itself.
#pragma once

#include "sim/json/value.hpp"
#include "sim/scenario/origins.hpp"
#include "sim/scenario/part_file.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

// A whole document, and where each piece of it stands.
struct AssembledDocument {
  Value document;
  Origins origins;
  std::vector<Problem> problems;        // of parts and templates; at the places of files
  std::vector<std::string> incomplete;  // pointers of the objects whose part could not be put in
};

// The path of the part of that name, for a file that names it: none when there is none.
using PartFinder = std::function<std::optional<std::filesystem::path>(
    const std::string& name, const std::filesystem::path& user)>;

// In a folder `parts` beside the file, or beside one of the folders that it is in.
std::optional<std::filesystem::path> find_part(const std::string& name,
                                               const std::filesystem::path& user);

// What parts hold. Each is looked for and read once: who assembles again has it as it was, whatever has become of the
// file. For one thread.
class PartFiles {
 public:
  explicit PartFiles(PartFinder finder = find_part) : finder_(std::move(finder)) {}

  std::optional<std::filesystem::path> find(const std::string& name, const std::string& user);
  // Valid as long as this is. Throws ConfigError; a file that could not be read is read again.
  const PartFile& read(const std::string& path);

 private:
  PartFinder finder_;
  std::map<std::pair<std::string, std::string>, std::optional<std::filesystem::path>> found_;
  std::map<std::string, PartFile> read_;
};

// Throws ConfigError with everything that is wrong with what is named.
AssembledDocument assemble(Value document, const std::string& file, PartFiles& parts);
AssembledDocument assemble(Value document, const std::string& file);

// The same, and does not throw.
AssembledDocument assemble_what_can_be(Value document, const std::string& file, PartFiles& parts);
AssembledDocument assemble_what_can_be(Value document, const std::string& file);

}  // namespace viosim
