// Buffered writing whose errors say what and why.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/text_output.hpp"

#include "core/base/error.hpp"
#include "sim/record/whole_file.hpp"

#include <cerrno>
#include <system_error>

namespace viosim {

TextOutput::TextOutput(const std::optional<std::filesystem::path>& file)
    : file_(file.value_or(std::filesystem::path())), to_(stdout) {
  if (file_.empty()) return;
  refuse_special_file(file_);
  refuse_database(file_);
  file_ = behind_links(file_);
  passing_ = passing_name(file_);
  to_ = std::fopen(passing_.c_str(), "wb");
  if (to_ == nullptr) fail(errno);
}

TextOutput::~TextOutput() {
  if (file_.empty() || to_ == nullptr) return;
  std::fclose(to_);
  std::error_code ignored;
  std::filesystem::remove(passing_, ignored);
}

void TextOutput::fail(int error) const {
  throw ConfigError({file_.empty() ? "standard output" : file_.string(), "",
                     "cannot be written: " + std::generic_category().message(error)});
}

void TextOutput::write_out() {
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), to_) != buffer_.size()) fail(errno);
  buffer_.clear();
}

void TextOutput::close() {
  write_out();
  if (std::fflush(to_) != 0) fail(errno);
  if (file_.empty()) return;
  std::FILE* const closing = to_;
  to_ = nullptr;
  if (std::fclose(closing) != 0) fail(errno);
  std::error_code error;
  std::filesystem::rename(passing_, file_, error);
  if (error) fail(error.value());
}

}  // namespace viosim
