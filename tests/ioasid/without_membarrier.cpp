// Executes a program in a sandbox that refuses membarrier(2) from the beginning, or lets it register for barriers
// and refuses those.
// SPDX-License-Identifier: Apache-2.0
// usage: ioasid_without_membarrier [--barriers] PROGRAM [ARGUMENT...]
#include "tests/ioasid/sandbox.hpp"

#include <cstdio>
#include <string_view>
#include <unistd.h>

int main(int argc, char** argv) {
  using sandbox::Forbid;
  const bool barriers = argc > 1 && std::string_view(argv[1]) == "--barriers";
  if (barriers) ++argv, --argc;
  if (argc < 2) return 2;
  if (!sandbox::forbid_membarrier(barriers ? Forbid::barriers : Forbid::everything)) {
    std::puts("SKIP: no filter of system calls may be installed here (seccomp)");
    return sandbox::skip;
  }
  execv(argv[1], argv + 1);
  std::perror(argv[1]);
  return 2;
}
