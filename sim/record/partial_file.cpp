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

namespace viosim {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what, int error) {
  throw ConfigError(Problem{path.string(), "",
                            fmt::format("{}: {}", what, std::generic_category().message(error))});
}

// A lock on a directory, so that of two runs started together one sees the other's file.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::filesystem::path& directory)
      : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0)
      fail(directory, "the directory for the run database cannot be used", errno);
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

void remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    fail(path, "an old run database cannot be removed", errno);
}

// SQLite would make it too, but says less of why it cannot.
void make_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(path, "the run database cannot be made", errno);
  ::close(descriptor);
}

std::filesystem::path journal_of(std::filesystem::path path) { return path += "-journal"; }

// Fails if a living run holds the file.
void expect_abandoned(const std::filesystem::path& partial) {
  if (!std::filesystem::exists(partial)) return;
  try {
    Connection connection(partial.string(), Connection::Mode::read);
    connection.run("BEGIN EXCLUSIVE");
  } catch (const ConfigError& error) {
    if (error.problems().front().message.starts_with("another program")) throw;
    // Damaged beyond use, so certainly not in use.
  }
}

}  // namespace

PartialFile::PartialFile(const std::filesystem::path& path)
    : path_(path), partial_(partial_path(path)) {}

std::filesystem::path PartialFile::partial_path(const std::filesystem::path& path) {
  std::filesystem::path partial = path;
  return partial += ".partial";
}

Connection PartialFile::open(const char* settings) const {
  if (std::filesystem::is_directory(path_)) fail(path_, "the run database cannot be made", EISDIR);
  const DirectoryLock lock(directory_of(path_));
  expect_abandoned(partial_);
  remove_file(journal_of(partial_));
  remove_file(partial_);
  make_file(partial_);
  Connection connection(partial_.string(), Connection::Mode::create);
  connection.run(settings);
  connection.run("BEGIN EXCLUSIVE; COMMIT");  // locking_mode keeps the lock from here on
  return connection;
}

void PartialFile::publish() const {
  const DirectoryLock lock(directory_of(path_));
  remove_file(journal_of(partial_));  // empty since the last commit
  // A journal beside the new file would be taken for the new file's own.
  remove_file(journal_of(path_));
  if (::rename(partial_.c_str(), path_.c_str()) != 0)
    fail(path_, "the finished run database cannot get its name", errno);
  lock.synchronise();
}

}  // namespace viosim
