// What is wrong with a command line, said so that one can mend it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace viosim {

// What is wrong with the command line, in our own words where CLI11 has none.
std::string command_line_problem(const CLI::App& app, const CLI::ParseError& error, int argc,
                                 char** argv);

}  // namespace viosim
