// The status line, on a terminal of the kernel's making.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/terminal.hpp"

#include "tests/support/catch.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace viosim;

namespace {

// Nobody's controlling terminal: what is written to `inside` is read at the other end.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) : outside_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (outside_ < 0 || ::grantpt(outside_) != 0 || ::unlockpt(outside_) != 0)
      throw std::runtime_error("no pseudo-terminal");
    inside_ = ::open(::ptsname(outside_), O_RDWR | O_NOCTTY);
    const winsize size{24, columns, 0, 0};
    ::ioctl(inside_, TIOCSWINSZ, &size);
    ::fcntl(outside_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    ::close(inside_);
    ::close(outside_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int inside() const { return inside_; }
  // What was written since the last call.
  std::string written() const {
    std::string text(4096, '\0');
    const ssize_t got = ::read(outside_, text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

 private:
  int outside_;
  int inside_ = -1;
};

}  // namespace

TEST_CASE("a status line is written over the one before, and taken away", "[terminal]") {
  const Terminal terminal(80);
  {
    StatusLine line(terminal.inside());
    CHECK(terminal.written().empty());
    line.show("one and more");
    CHECK(terminal.written() == "\rone and more");
    line.show("two");
    CHECK(terminal.written() == "\rtwo         ");
    line.clear();
    CHECK(terminal.written() == "\r   \r");
    line.clear();
    CHECK(terminal.written().empty());
    line.show("three");
    CHECK(terminal.written() == "\rthree");
  }
  CHECK(terminal.written() == "\r     \r");
}

TEST_CASE("a status line never reaches the last column, which would begin a new line",
          "[terminal]") {
  const Terminal terminal(10);
  StatusLine line(terminal.inside());
  line.show("123456789012345");
  CHECK(terminal.written() == "\r123456789");
}

TEST_CASE("on a narrow terminal a status line ends after a part of it, not inside a number",
          "[terminal]") {
  const auto [columns, shown] =
      GENERATE(table<unsigned short, std::string>({{45, "\r31 %, about 12 s left: 4.5 us of 20 ms"},
                                                   {39, "\r31 %, about 12 s left: 4.5 us of 20 ms"},
                                                   {38, "\r31 %, about 12 s left"},
                                                   {22, "\r31 %, about 12 s left"},
                                                   {21, "\r31 %"},
                                                   {4, "\r31 "}}));
  const Terminal terminal(columns);
  StatusLine line(terminal.inside());
  line.show("31 %, about 12 s left: 4.5 us of 20 ms, 1,234,567 requests");
  CHECK(terminal.written() == shown);
}

TEST_CASE("an interrupt does what it did before, once the line is gone", "[terminal]") {
  const auto handler_of = [](int signal) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    return action.sa_handler;
  };
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGHUP, SIG_IGN);
  const Terminal terminal(80);
  {
    const StatusLine line(terminal.inside());
    CHECK(handler_of(SIGINT) != SIG_DFL);
    CHECK(handler_of(SIGHUP) == SIG_IGN);
  }
  CHECK(handler_of(SIGINT) == SIG_DFL);
  std::signal(SIGHUP, SIG_DFL);
}

TEST_CASE("standard error that is no terminal shows no progress by itself", "[terminal]") {
  const int before = ::dup(STDERR_FILENO);
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(nowhere, STDERR_FILENO);
  const bool file = stderr_is_terminal();
  const Terminal terminal(80);
  ::dup2(terminal.inside(), STDERR_FILENO);
  ::setenv("TERM", "xterm", 1);
  const bool able = stderr_is_terminal();
  ::setenv("TERM", "dumb", 1);
  const bool dumb = stderr_is_terminal();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(nowhere);
  CHECK_FALSE(file);
  CHECK(able);
  CHECK_FALSE(dumb);
}
