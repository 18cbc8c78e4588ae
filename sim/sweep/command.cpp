// Starts a command and listens to it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/command.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace viosim {
namespace {

constexpr std::chrono::milliseconds longest_silence{250};

void expect(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { close(); }
  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

struct Pipe {
  Descriptor out;
  Descriptor in;
};
Pipe make_pipe() {
  std::array<int, 2> ends{};
  expect(::pipe2(ends.data(), O_CLOEXEC) == 0 ? 0 : errno, "a pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::vector<char*> environment_without(const std::vector<std::string>& prefixes) {
  std::vector<char*> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view variable(*each);
    if (std::none_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return variable.starts_with(prefix); }))
      variables.push_back(*each);
  }
  variables.push_back(nullptr);
  return variables;
}

// In a process group of its own, with no signal blocked.
pid_t spawn(const std::vector<std::string>& words, std::vector<char*> environment,
            const std::array<int, 3>& standard) {
  std::vector<std::string> copies = words;
  std::vector<char*> argv;
  argv.reserve(copies.size() + 1);
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  expect(::posix_spawn_file_actions_init(&actions), "starting a command");
  expect(::posix_spawnattr_init(&attributes), "starting a command");
  for (int i = 0; i < 3; ++i)
    ::posix_spawn_file_actions_adddup2(&actions, standard[static_cast<std::size_t>(i)], i);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int error =
      ::posix_spawnp(&child, argv.front(), &actions, &attributes, argv.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error == ENOENT) return -1;
  expect(error, "starting a command");
  return child;
}

// What has come; false: that was all.
bool receive(int descriptor, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  text.append(buffer.data(), static_cast<std::size_t>(count));
  return count != 0;
}

int exit_code_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    expect(errno == EINTR ? 0 : errno, "waiting for a command");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Null: it may go on.
const char* why_killed(const CommandResult& so_far, const CommandLimits& limits,
                       std::chrono::steady_clock::time_point deadline, bool interrupted) {
  if (std::chrono::steady_clock::now() > deadline) return "no answer in time";
  if (interrupted) return "interrupted";
  return so_far.output.size() + so_far.errors.size() > limits.output ? "prints without an end"
                                                                     : nullptr;
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& words, const std::string& input,
                          const CommandLimits& limits, const Interrupt& interrupt) {
  ensure(input.size() <= 4096, "the input of a command fits into a pipe");
  CommandResult result;
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  // While the reading end is open here, so that no signal comes of a command that does not read.
  expect(::write(in.in.get(), input.data(), input.size()) < 0 ? errno : 0, "a pipe");
  const pid_t child =
      spawn(words, environment_without(limits.without), {in.out.get(), out.in.get(), err.in.get()});
  if (child < 0) return {127, {}, words.front() + ": there is no such command"};
  in.out.close();
  out.in.close();
  err.in.close();
  in.in.close();

  const auto deadline = std::chrono::steady_clock::now() + limits.time;
  const int before = interrupt.signal();
  std::vector<pollfd> open{{out.out.get(), POLLIN, 0}, {err.out.get(), POLLIN, 0}};
  bool killed = false;
  while (!open.empty()) {
    interrupt.wait(open, longest_silence);
    std::erase_if(open, [&](const pollfd& one) {
      std::string& text = one.fd == out.out.get() ? result.output : result.errors;
      return one.revents != 0 && !receive(one.fd, text);
    });
    const char* const why = why_killed(result, limits, deadline, interrupt.signal() != before);
    if (killed || why == nullptr) continue;
    killed = true;
    ::kill(-child, SIGKILL);
    result.errors += words.front() + ": " + why + "\n";
  }
  result.exit_code = exit_code_of(child);
  return result;
}

namespace {

// Empty: none is there.
std::filesystem::path find_in_path(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    std::filesystem::path file = std::filesystem::path(directory) / name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

// What was called may have been called by any name: it is believed when it leads here.
std::string path_of_this_program() {
  constexpr const char* self = "/proc/self/exe";
  std::string called;
  std::getline(std::ifstream("/proc/self/cmdline"), called, '\0');
  const bool is_path = called.find('/') != std::string::npos;
  std::error_code other;
  const std::filesystem::path path =
      std::filesystem::absolute(is_path ? std::filesystem::path(called) : find_in_path(called),
                                other)
          .lexically_normal();
  if (!called.empty() && std::filesystem::equivalent(path, self, other)) return path.string();
  return std::filesystem::read_symlink(self).string();
}

}  // namespace

bool has_command(const std::string& name) { return !find_in_path(name).empty(); }

const std::string& this_program() {
  static const std::string path = path_of_this_program();
  return path;
}

}  // namespace viosim
