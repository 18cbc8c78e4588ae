// Executes a program in a sandbox that refuses membarrier(2) from the beginning.
// SPDX-License-Identifier: Apache-2.0
// usage: ioasid_without_membarrier PROGRAM [ARGUMENT...]
#include "tests/ioasid/sandbox.hpp"

#include <cstdio>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (!sandbox::forbid_membarrier()) {
    std::puts("SKIP: no filter of system calls may be installed here (seccomp)");
    return sandbox::skip;
  }
  execv(argv[1], argv + 1);
  std::perror(argv[1]);
  return 2;
}
