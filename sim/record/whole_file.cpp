// Writes, synchronises, renames.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/whole_file.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unistd.h>

namespace viosim {
namespace {

[[noreturn]] void refuse_file(const std::filesystem::path& path, std::string_view what, int error) {
  throw ConfigError(
      {path.string(), "", fmt::format("{}: {}", what, std::generic_category().message(error))});
}

// Removes what it has made, unless that got its final name.
class PassingFile {
 public:
  explicit PassingFile(const std::filesystem::path& path) : path_(path) {
    passing_ = passing_name(path);
    descriptor_ = ::open(passing_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) refuse_file(path_, "cannot be made", errno);
  }
  ~PassingFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(passing_.c_str());
  }
  PassingFile(const PassingFile&) = delete;
  PassingFile& operator=(const PassingFile&) = delete;

  void write(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) refuse_file(path_, "cannot be written", errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void publish() {
    if (::fsync(descriptor_) != 0) refuse_file(path_, "cannot be written", errno);
    if (::rename(passing_.c_str(), path_.c_str()) != 0) refuse_file(path_, "cannot be made", errno);
    ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path passing_;
  int descriptor_ = -1;
};

}  // namespace

std::filesystem::path passing_name(const std::filesystem::path& path) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::filesystem::path passing = path;
  passing += fmt::format(".{}-{}.new", host.data(), ::getpid());
  return passing;
}

void refuse_special_file(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) return;
  throw ConfigError(
      {path.string(), "",
       fmt::format(
           "is a {}; expected the name of a file, which would take its place",
           std::filesystem::is_directory(status) ? "directory" : "device, pipe or socket")});
}

void refuse_database(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none))
    return;  // who opens a pipe waits for its other end
  std::array<char, sqlite_magic.size()> head{};
  std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  if (std::string_view(head.data(), head.size()) != sqlite_magic) return;
  throw ConfigError({path.string(), "",
                     "is a database (an SQLite file), which would be lost; expected the name of "
                     "another file"});
}

void write_whole_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  refuse_special_file(path);
  refuse_database(path);
  PassingFile file(path);
  file.write(bytes);
  file.publish();
}

std::string read_whole_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) refuse_file(path, "cannot be read", errno);
  return text;
}

}  // namespace viosim
