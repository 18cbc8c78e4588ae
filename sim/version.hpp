// The version of the program.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace viosim {

inline constexpr std::string_view program_version = VIOSIM_VERSION;  // of CMakeLists.txt

}  // namespace viosim
