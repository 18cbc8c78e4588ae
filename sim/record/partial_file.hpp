// The life of a database's name: PATH.partial while it is written, PATH when it is whole.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/sqlite.hpp"

#include <filesystem>
#include <string>

namespace viosim {

class PartialFile {
 public:
  // `noun`: what errors call the database.
  explicit PartialFile(const std::filesystem::path& path, std::string noun = "run database");
  static std::filesystem::path partial_path(const std::filesystem::path& path);

  // Removes what a killed run left, makes a new file, applies `settings` and locks it.
  Connection open(const char* settings) const;
  // Gives the closed file its final name.
  void publish() const;

 private:
  std::filesystem::path path_;
  std::filesystem::path partial_;
  std::string noun_;
};

}  // namespace viosim
