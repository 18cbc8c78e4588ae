// The program viosim: a command line is carried out, an exception becomes an exit code.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/command_line/command_line.hpp"
#include "sim/sweep/command.hpp"
#include "sim/sweep/terminal_text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>

namespace {

enum Exit : int { unexpected = 1, wrong_input = 2, our_fault = 3 };

// Standard error may be closed or full, which fmt::print would throw about.
void complain(const std::string& text) { std::fputs((text + '\n').c_str(), stderr); }

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit becomes an error with a message
  try {
    viosim::this_program();  // while its file is there
    const int code = viosim::run_command_line(argc, argv);
    if (std::fflush(stdout) != 0)
      throw viosim::ConfigError(
          {"", "", "standard output cannot be written: " + std::generic_category().message(errno)});
    return code;
  } catch (const viosim::ConfigError& error) {
    std::fflush(stdout);
    for (const viosim::Problem& problem : error.problems())
      complain("viosim: " + viosim::terminal_lines(problem.text()));
    return wrong_input;
  } catch (const viosim::LivelockError& error) {
    std::fflush(stdout);
    complain(fmt::format("viosim: the run failed: {}", error.what()));
    return unexpected;
  } catch (const std::system_error& error) {
    const bool of_print = std::ferror(stdout) != 0;
    complain(fmt::format("viosim: {}: {}",
                         of_print ? "standard output cannot be written" : "the system refuses",
                         error.code().message()));
    return of_print ? wrong_input : our_fault;
  } catch (const std::bad_alloc&) {
    complain("viosim: out of memory");
    return our_fault;
  } catch (const std::exception& error) {
    complain(
        fmt::format("viosim: internal error: {}\nThis is a fault of viosim; the scenario, its "
                    "seed and this message reproduce it.",
                    error.what()));
    return our_fault;
  }
}
