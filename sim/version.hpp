// The version of the program, and the commit that it was built from.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace viosim {

inline constexpr std::string_view program_version = VIOSIM_VERSION;  // of CMakeLists.txt

// The commit, with "-modified" where files differed from it; "unknown" outside of a git checkout.
std::string_view program_commit();

}  // namespace viosim
