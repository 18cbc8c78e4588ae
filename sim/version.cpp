// What this program was built from.
// SPDX-License-Identifier: Apache-2.0
#include "sim/version.hpp"

#include <viosim_commit.hpp>  // made by write_commit.cmake

namespace viosim {

std::string_view program_commit() { return VIOSIM_COMMIT; }

}  // namespace viosim
