// Carries out a command line.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace viosim {

// The exit code of the verb that the command line names: 0, or 1 if a run found what was not expected. --help and
// --version print, and give 0. Throws ConfigError when no verb, or an option that is none, was asked for, and whatever
// the verb throws.
int run_command_line(int argc, char** argv);

}  // namespace viosim
