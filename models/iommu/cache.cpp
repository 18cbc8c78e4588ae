// Which shapes of a cache can be built; the cache itself is in the header, for speed.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/cache.hpp"

#include <fmt/format.h>

namespace viosim {

void CacheParams::check(const Where& where) const {
  if (ways_in_use() > entries || entries % ways_in_use() != 0 || !std::has_single_bit(sets())) {
    (where / "ways")
        .reject(fmt::format("read {} ways for {} entries; expected a number of ways that divides "
                            "the entries into a power "
                            "of two of sets, such as {}, or 0 for fully associative",
                            ways, entries,
                            entries % 8 == 0 && std::has_single_bit(entries / 8) ? 8U : entries));
  }
  if (replacement == Replacement::flush_all && sets() != 1) {
    (where / "replacement")
        .reject(
            "read \"flush-all\" with several sets; expected it only with a fully associative cache "
            "(\"ways\": 0)");
  }
}

}  // namespace viosim
