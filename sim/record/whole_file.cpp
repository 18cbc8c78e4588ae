// Writes, synchronises, renames.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/whole_file.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace viosim {
namespace {

[[noreturn]] void refuse_file(const std::filesystem::path& path, std::string_view what, int error) {
  throw ConfigError(
      {path.string(), "", fmt::format("{}: {}", what, std::generic_category().message(error))});
}

// Removes what it has made, unless that got its final name.
class PassingFile {
 public:
  explicit PassingFile(const std::filesystem::path& path) : path_(behind_links(path)) {
    passing_ = passing_name(path_);
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

// Of a name that is too long with what is added its beginning.
std::filesystem::path passing_name(const std::filesystem::path& path) {
  constexpr std::size_t longest = 255;  // NAME_MAX
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string ending = fmt::format(".{}-{}.new", host.data(), ::getpid());
  const std::string name = path.filename().string();
  return path.parent_path() / (name.substr(0, longest - std::min(longest, ending.size())) + ending);
}

namespace {

constexpr std::size_t most_links = 40;  // as the system

std::filesystem::path folder_of(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path).parent_path(), error);
}

// The path itself, and what each link leads to; the last one is none.
std::vector<std::filesystem::path> chain_of(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> chain{path};
  std::error_code error;
  while (chain.size() <= most_links && std::filesystem::is_symlink(chain.back(), error)) {
    const std::filesystem::path next = std::filesystem::read_symlink(chain.back(), error);
    if (error) break;
    chain.push_back(folder_of(chain.back()) / next);
  }
  return chain;
}

bool of_the_system(const std::filesystem::path& path) {
  const std::filesystem::path folder = folder_of(path);
  return folder == "/dev" || folder == "/proc" || folder.string().starts_with("/proc/");
}

}  // namespace

std::filesystem::path behind_links(const std::filesystem::path& path) {
  return chain_of(path).back();
}

void refuse_special_file(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto chain = chain_of(path);
  if (std::any_of(chain.begin(), chain.end(), of_the_system))
    throw ConfigError(
        {path.string(), "",
         "is no name of a file of its own; expected one, which would take its place"});
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
