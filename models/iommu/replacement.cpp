// Choosing victims in wide sets: a queue of the oldest quarter instead of a scan for each one.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/replacement.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

namespace viosim {

VictimChooser::VictimChooser(Replacement policy, std::uint32_t sets, std::uint32_t ways, Rng rng)
    : policy_(policy), ways_(ways), rng_(rng), queues_(ways > narrow ? sets : 0) {}

// Stamps are spread rather evenly over time, so dealing them out to as many buckets as there are
// candidates leaves one or two in each: several times quicker than sorting them by comparison.
void VictimChooser::sort_youngest_first(std::vector<Candidate>& queue) {
  const auto [oldest, youngest] =
      std::minmax_element(queue.begin(), queue.end(),
                          [](const Candidate& a, const Candidate& b) { return a.time < b.time; });
  const std::uint64_t last = youngest->time;
  const auto time_bits = static_cast<unsigned>(std::bit_width(last - oldest->time));
  const auto size_bits = static_cast<unsigned>(std::bit_width(queue.size()));
  const unsigned shift = time_bits - std::min(time_bits, size_bits);
  const auto bucket_of = [&](const Candidate& c) { return (last - c.time) >> shift; };

  bucket_begin_.assign(bucket_of(*oldest) + 2, 0);
  for (const Candidate& candidate : queue) ++bucket_begin_[bucket_of(candidate) + 1];
  std::partial_sum(bucket_begin_.begin(), bucket_begin_.end(), bucket_begin_.begin());
  unsorted_.swap(queue);
  queue.resize(unsorted_.size());
  // Afterwards, each bucket's begin has moved to its end.
  for (const Candidate& candidate : unsorted_)
    queue[bucket_begin_[bucket_of(candidate)]++] = candidate;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : bucket_begin_) {
    if (end - begin > 1) std::sort(&queue[begin], &queue[begin] + (end - begin), std::greater<>());
    begin = end;
  }
}

}  // namespace viosim
