// What the words of the command line are checked for; the messages say what was read and what would be right.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace viosim {

CLI::Validator one_of(const std::vector<std::string>& choices);
CLI::Validator whole_number(std::uint64_t least = 0,
                            std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
// Each time that it is given it takes one word: the next one is the verb's. CLI11 by itself takes all up to the next
// option.
CLI::Option* repeatable(CLI::Option* option);
// Neither `low` nor `high` itself. `expected` is what a message says instead of them.
CLI::Validator number_between(double low, double high, const std::string& expected);
// A file or a directory: an empty word comes from a variable that was not set.
CLI::Validator named(const char* what);

}  // namespace viosim
