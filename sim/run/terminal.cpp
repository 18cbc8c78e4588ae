// Carriage returns and blanks: what every terminal understands.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/terminal.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace viosim {
namespace {

constexpr std::size_t widest = 250;

// Standard error that cannot be written is no reason to stop a run.
void put(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// "\r", blanks, "\r" for a line of any length: made before, since a signal handler may make nothing.
constexpr auto eraser = [] {
  std::array<char, widest + 2> text{};
  text.fill(' ');
  text.front() = text.back() = '\r';
  return text;
}();

void erase(int descriptor, std::size_t characters) {
  const std::string_view blanks(eraser.data(), eraser.size());
  put(descriptor, blanks.substr(0, characters + 1));
  put(descriptor, "\r");
}

// As much of a line as fits: whole parts of it, since half a number is another number.
std::string_view fitting(std::string_view text, std::size_t columns) {
  if (text.size() <= columns) return text;
  for (std::size_t end = columns; end != 0; --end) {
    const std::string_view rest = text.substr(end);
    if (rest.starts_with(", ") || rest.starts_with(": ")) return text.substr(0, end);
  }
  return text.substr(0, columns);
}

// What an interrupt must take away. One status line at a time.
bool exists = false;
std::atomic<int> shown_on = -1;
std::atomic<std::size_t> characters_shown = 0;

// The line goes, and the signal does what it does to any program.
void interrupted(int signal) {
  if (characters_shown != 0) erase(shown_on, characters_shown);
  ::raise(signal);  // blocked until this handler has returned; SA_RESETHAND
}

constexpr std::array ending_signals = {SIGINT, SIGTERM, SIGHUP};

void set_handlers() {
  for (const int signal : ending_signals) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_DFL) continue;  // ignored, for instance by nohup
    struct sigaction action {};
    action.sa_handler = interrupted;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

void reset_handlers() {
  for (const int signal : ending_signals) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == interrupted) std::signal(signal, SIG_DFL);
  }
}

// A program in the background writes into what its user is typing.
bool in_background(int descriptor) {
  const pid_t foreground = ::tcgetpgrp(descriptor);
  return foreground != -1 && foreground != ::getpgrp();
}

}  // namespace

bool stderr_is_terminal() {
  const char* const kind = std::getenv("TERM");
  const bool dumb = kind != nullptr && std::string_view(kind) == "dumb";
  return !dumb && ::isatty(STDERR_FILENO) == 1;
}

StatusLine::StatusLine(int descriptor) : descriptor_(descriptor) {
  ensure(!exists, "there is one status line at a time");
  exists = true;
  shown_on = descriptor;
  set_handlers();
}

StatusLine::~StatusLine() {
  clear();
  reset_handlers();
  exists = false;
}

std::size_t StatusLine::columns() const {
  winsize size{};
  if (::ioctl(descriptor_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return widest;
  return std::min<std::size_t>(size.ws_col - 1U, widest);  // the last column would start a new line
}

void StatusLine::show(std::string_view text) {
  if (in_background(descriptor_)) text = {};
  text = fitting(text, columns());
  if (text.empty()) {
    if (shown_ != 0) erase(descriptor_, shown_);
  } else {
    // In one piece, so that nothing flickers; blanks over the rest of a longer line.
    put(descriptor_, fmt::format("\r{:<{}}", text, shown_));
  }
  shown_ = text.size();
  characters_shown = shown_;
}

}  // namespace viosim
