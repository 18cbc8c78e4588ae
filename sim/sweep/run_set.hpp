// Numbers of runs, and of slices, as text: "0-499,507".
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// Ascending, each once.
std::string run_set_text(std::vector<std::uint64_t> numbers);
// None: it is no such text.
std::optional<std::vector<std::uint64_t>> parse_run_set(std::string_view text);

}  // namespace viosim
