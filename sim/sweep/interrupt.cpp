// Blocks signals but for the time of a poll.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/interrupt.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace viosim {
namespace {

constexpr std::array ending = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t came = 0;

void note(int signal) { came = signal; }

void replace_handlers(void (*from)(int), void (*to)(int)) {
  for (const int signal : ending) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == from) std::signal(signal, to);
  }
}

}  // namespace

Interrupt::Interrupt() {
  came = 0;
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : ending) sigaddset(&blocked, signal);
  sigprocmask(SIG_BLOCK, &blocked, &before_);
  replace_handlers(SIG_DFL, note);
}

Interrupt::~Interrupt() {
  replace_handlers(note, SIG_DFL);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int Interrupt::signal() const { return came; }

void Interrupt::wait(std::vector<pollfd>& descriptors, std::chrono::milliseconds most) const {
  const timespec timeout{most.count() / 1000, most.count() % 1000 * 1'000'000};
  if (::ppoll(descriptors.data(), descriptors.size(), &timeout, &before_) >= 0) return;
  for (pollfd& one : descriptors) one.revents = 0;
  if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
}

}  // namespace viosim
