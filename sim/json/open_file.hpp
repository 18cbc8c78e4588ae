// Opening an input file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace viosim {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using InputFile = std::unique_ptr<std::FILE, CloseFile>;

// For reading. nullptr, and a reason in errno, when that is not possible; ETIMEDOUT: a named pipe that
// nobody has written to for some seconds.
InputFile open_input(const std::string& name);

// What errno says of it, for messages.
std::string open_failure(int error);

}  // namespace viosim
