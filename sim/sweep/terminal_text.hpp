// Texts of users in tables on the terminal.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace viosim {

// UTF-8 with its control characters (C0, DEL, C1, and those that turn the direction of writing) as JSON writes them:
// \n, \t, \u001b. They would break rows, or be obeyed by the terminal.
std::string terminal_text(std::string_view text);

// The same, but \n and \t remain: a message may have several lines.
std::string terminal_lines(std::string_view text);

}  // namespace viosim
