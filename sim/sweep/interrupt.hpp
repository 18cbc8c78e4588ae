// Ctrl-C, asked for where it suits: while a sweep waits for its runs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <csignal>
#include <poll.h>
#include <vector>

namespace viosim {

// While it lives SIGINT, SIGTERM and SIGHUP do nothing but end a wait, but where they were ignored.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // The signal that has come; 0: none.
  int signal() const;
  // poll() that the signals end; they come at no other time.
  void wait(std::vector<pollfd>& descriptors, std::chrono::milliseconds most) const;

 private:
  sigset_t before_{};
};

}  // namespace viosim
