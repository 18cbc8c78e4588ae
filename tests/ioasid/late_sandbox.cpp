// A sandbox that refuses membarrier(2) only after the library has begun to rely on it: the next
// call that needs it says so and aborts. Ends with 0 if it does, with 77 where that cannot be tried.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"
#include "tests/ioasid/sandbox.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr const char* expected =
    "ioasid: membarrier(2) worked when the process began and is forbidden now; readers rely on "
    "it\n";

// The child: 0 is what must not happen.
int free_in_a_late_sandbox() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  ioasid::Space space;
  space.alloc(nullptr, {1, 9}, nullptr);
  if (!sandbox::forbid_membarrier()) return sandbox::skip;
  const ioasid::ReadGuard first;  // of the process
  return 0;
}

std::string read_all(int from) {
  std::string all;
  std::array<char, 256> buffer{};
  for (ssize_t got = 0; (got = read(from, buffer.data(), buffer.size())) > 0;)
    all.append(buffer.data(), static_cast<std::size_t>(got));
  return all;
}

int skip(const char* why) {
  std::printf("SKIP: %s\n", why);
  return sandbox::skip;
}

}  // namespace

int main() {
  if (!ioasid::detail::barrier_available.load()) return skip("membarrier(2) does not work here");
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return 2;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    _exit(free_in_a_late_sandbox());
  }
  close(ends[1]);
  const std::string said = read_all(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 2;
  if (WIFEXITED(status) && WEXITSTATUS(status) == sandbox::skip)
    return skip("no filter of system calls may be installed here (seccomp)");
  const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (aborted && said == expected) return 0;
  std::printf("status %d instead of SIGABRT, or other words: %s\n", status, said.c_str());
  return 1;
}
