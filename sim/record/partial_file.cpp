// Locks, removes and renames.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/partial_file.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace viosim {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what, int error) {
  throw ConfigError(Problem{path.string(), "",
                            fmt::format("{}: {}", what, std::generic_category().message(error))});
}

// A lock on a directory, so that of two runs started together one sees the other's file.
class DirectoryLock {
 public:
  DirectoryLock(const std::filesystem::path& directory, const std::string& noun)
      : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0)
      fail(directory, fmt::format("the directory for the {} cannot be used", noun), errno);
    ::flock(descriptor_, LOCK_EX);  // advisory; a file system without it loses only this nicety
  }
  ~DirectoryLock() { ::close(descriptor_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  void synchronise() const { ::fsync(descriptor_); }

 private:
  int descriptor_;
};

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

void remove_file(const std::filesystem::path& path, const std::string& noun) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    fail(path, fmt::format("an old {} cannot be removed", noun), errno);
}

// SQLite would make it too, but says less of why it cannot.
void make_file(const std::filesystem::path& path, const std::string& noun) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(path, fmt::format("the {} cannot be made", noun), errno);
  ::close(descriptor);
}

std::filesystem::path journal_of(std::filesystem::path path) { return path += "-journal"; }

// Fails if a living run holds the file.
void expect_abandoned(const std::filesystem::path& partial, const std::string& noun) {
  if (!std::filesystem::exists(partial)) return;
  try {
    Connection connection(partial.string(), Connection::Mode::read, noun);
    connection.run("BEGIN EXCLUSIVE");
  } catch (const ConfigError& error) {
    if (error.problems().front().message.starts_with("another program")) throw;
    // Damaged beyond use, so certainly not in use.
  }
}

}  // namespace

PartialFile::PartialFile(const std::filesystem::path& path, std::string noun)
    : path_(path), partial_(partial_path(path)), noun_(std::move(noun)) {}

std::filesystem::path PartialFile::partial_path(const std::filesystem::path& path) {
  std::filesystem::path partial = path;
  return partial += ".partial";
}

Connection PartialFile::open(const char* settings) const {
  if (std::filesystem::is_directory(path_))
    fail(path_, fmt::format("the {} cannot be made", noun_), EISDIR);
  const DirectoryLock lock(directory_of(path_), noun_);
  expect_abandoned(partial_, noun_);
  remove_file(journal_of(partial_), noun_);
  remove_file(partial_, noun_);
  make_file(partial_, noun_);
  Connection connection(partial_.string(), Connection::Mode::create, noun_);
  connection.run(settings);
  connection.run("BEGIN EXCLUSIVE; COMMIT");  // locking_mode keeps the lock from here on
  return connection;
}

void PartialFile::publish() const {
  const DirectoryLock lock(directory_of(path_), noun_);
  remove_file(journal_of(partial_), noun_);  // empty since the last commit
  // A journal beside the new file would be taken for the new file's own.
  remove_file(journal_of(path_), noun_);
  if (::rename(partial_.c_str(), path_.c_str()) != 0)
    fail(path_, fmt::format("the finished {} cannot get its name", noun_), errno);
  lock.synchronise();
}

}  // namespace viosim
