// Trace events as a run of translations makes them, for tests and benchmarks of the record.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"

#include <cstdint>
#include <vector>

namespace viosim {

struct EventMix {
  enum class Arrival { random, fixed_rate, after_answer };
  enum class Memory { random_pages, contiguous };  // which physical pages stand behind a window

  std::uint32_t components = 64;
  std::uint32_t pasids_each = 1;
  std::uint64_t window_pages = 512;
  unsigned offset_align = 4096;  // of addresses
  Arrival arrival = Arrival::random;
  Memory memory = Memory::random_pages;
  std::int64_t mean_interval = 100'000;  // ps between two requests of one component
  unsigned miss_percent = 10;
  bool queueing = false;  // latencies of misses vary continuously instead of repeating
  std::uint64_t seed = 1;
};

std::vector<TraceEvent> make_events(const EventMix& mix, std::size_t count);

}  // namespace viosim
