// Starts a process and waits for it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/regress/child.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace viosim {
namespace {

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

// Both outputs into one file.
class Outputs {
 public:
  explicit Outputs(const std::filesystem::path& log) {
    if (const int error = ::posix_spawn_file_actions_init(&actions_)) fail(error, "starting a run");
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, log.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  ~Outputs() { ::posix_spawn_file_actions_destroy(&actions_); }
  Outputs(const Outputs&) = delete;
  Outputs& operator=(const Outputs&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

ChildResult run_child(const std::filesystem::path& program,
                      const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const Outputs outputs(log);
  pid_t child = 0;
  if (const int error =
          ::posix_spawn(&child, program.c_str(), outputs.get(), nullptr, argv.data(), environ))
    fail(error, "starting a run");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail(errno, "waiting for a run");
  }
  ChildResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::ifstream in(log, std::ios::binary);
  result.output = {std::istreambuf_iterator<char>(in), {}};
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
  return result;
}

}  // namespace viosim
