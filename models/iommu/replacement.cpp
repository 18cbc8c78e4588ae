// Choosing victims in wide sets: a queue of the oldest quarter instead of a scan for each one.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/replacement.hpp"

#include <algorithm>
#include <functional>

namespace viosim {

VictimChooser::VictimChooser(Replacement policy, std::uint32_t sets, std::uint32_t ways, Rng rng)
    : policy_(policy), ways_(ways), rng_(rng), queues_(ways > narrow ? sets : 0) {}

void VictimChooser::keep_oldest(std::vector<Candidate>& queue) {
  const auto quarter = queue.begin() + static_cast<std::ptrdiff_t>(queue.size() / 4);
  std::nth_element(queue.begin(), quarter, queue.end());
  queue.erase(quarter, queue.end());
  std::sort(queue.begin(), queue.end(), std::greater<>());
}

}  // namespace viosim
