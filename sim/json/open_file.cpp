// Opening a pipe without a writer would wait for one for ever.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/open_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace viosim {
namespace {

constexpr int longest_wait = 10'000;  // milliseconds: who makes a pipe starts its writer at once

bool is_pipe(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode);
}

// Whether there is something to read, or the end.
bool has_writer(int descriptor) {
  pollfd pipe{descriptor, POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&pipe, 1, longest_wait);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

InputFile open_input(const std::string& name) {
  const int descriptor = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return nullptr;
  if (is_pipe(descriptor) && !has_writer(descriptor)) {
    close(descriptor);
    errno = ETIMEDOUT;
    return nullptr;
  }
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  return InputFile(fdopen(descriptor, "rb"));
}

std::string open_failure(int error) {
  if (error == ETIMEDOUT) return "it is a pipe that nobody writes to";
  return std::strerror(error);
}

}  // namespace viosim
