// A guest that has no memory left.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_memory.hpp"

#include <fmt/format.h>

namespace viosim {

void GuestMemory::run_out() const {
  throw ConfigError(Problem{
      {},
      {},
      fmt::format(
          "a guest with {} MiB of 'memory' has none left for its tables and rings (half of it is "
          "for pages of "
          "processes, and tables of processes that have ended are not given back): give it more",
          size().count() >> 20U)});
}

}  // namespace viosim
