// Commands of the system, with what they print; Ctrl-C does not reach them, and ends the wait for them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/interrupt.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace viosim {

struct CommandResult {
  int exit_code = 0;  // 127: there is no such command; 128 + the signal's number when one ended it
  std::string output;
  std::string errors;
};

struct CommandLimits {
  std::chrono::seconds time;
  // Variables of the environment whose names begin so are not for it.
  std::vector<std::string> without = {};
  std::size_t output = std::size_t{256} << 20U;  // bytes
};

// `input` is given to its standard input: at most 4096 bytes. Past a limit, or when a signal comes meanwhile, it
// is killed, and `errors` says so.
CommandResult run_command(const std::vector<std::string>& words, const std::string& input,
                          const CommandLimits& limits, const Interrupt& interrupt);

// Whether PATH has a program of that name.
bool has_command(const std::string& name);

// The whole path of this program, as who called it said it (a link stays one), for a shell to call it again. It is
// found out at the first call, which belongs at the start: later another file may have that name, or none.
const std::string& this_program();

}  // namespace viosim
