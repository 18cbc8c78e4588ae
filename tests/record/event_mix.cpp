// Devices issue requests to random pages of their windows; a heap puts them in order.
// SPDX-License-Identifier: Apache-2.0
#include "tests/record/event_mix.hpp"

#include "core/base/rng.hpp"
#include "models/trace_events.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t page = 4096;

std::uint64_t physical_page(const EventMix& mix, std::uint32_t component, std::uint64_t number) {
  if (mix.memory == EventMix::Memory::contiguous)
    return (std::uint64_t{component} * mix.window_pages) + number + 0x100000;
  Rng rng((std::uint64_t{component} << 32U) + number, "page");
  return rng.below(std::uint64_t{1} << 24U);  // 64 GiB
}

std::int64_t duration_of(const EventMix& mix, bool miss, Rng& rng) {
  if (!miss) return 12'000;
  const auto reads = static_cast<std::int64_t>(1 + rng.below(4));
  const auto wait = mix.queueing ? static_cast<std::int64_t>(rng.below(500'000)) : 0;
  return 12'000 + reads * 87'500 + wait;
}

std::int64_t next_begin(const EventMix& mix, std::int64_t begin, std::int64_t end, Rng& rng) {
  switch (mix.arrival) {
    case EventMix::Arrival::fixed_rate:
      return begin + mix.mean_interval;
    case EventMix::Arrival::after_answer:
      return end + 4'000;
    case EventMix::Arrival::random:
      break;
  }
  const auto bound = static_cast<std::uint64_t>(2 * mix.mean_interval);
  return begin + static_cast<std::int64_t>(rng.below(bound));
}

}  // namespace

// Events come in the order in which requests begin; they end, and are dated, a little out of order.
std::vector<TraceEvent> make_events(const EventMix& mix, std::size_t count) {
  struct Device {
    std::int64_t begin;
    std::uint32_t number;
  };
  const auto later = [](const Device& a, const Device& b) {
    return a.begin != b.begin ? a.begin > b.begin : a.number > b.number;
  };
  Rng rng(mix.seed, "events");
  std::vector<Device> heap;
  for (std::uint32_t i = 0; i < mix.components; ++i)
    heap.push_back(
        {static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(mix.mean_interval))), i});
  std::make_heap(heap.begin(), heap.end(), later);

  std::vector<TraceEvent> events;
  events.reserve(count);
  while (events.size() < count) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Device& device = heap.back();
    const bool miss = rng.below(100) < mix.miss_percent;
    const std::uint64_t number = rng.below(mix.window_pages);
    const std::uint64_t offset = rng.below(page / mix.offset_align) * mix.offset_align;
    const std::int64_t duration = duration_of(mix, miss, rng);
    events.push_back({.time = device.begin + duration,
                      .duration = duration,
                      .address = (std::uint64_t{device.number + 1} << 32U) + number * page + offset,
                      .value = physical_page(mix, device.number, number) * page + offset,
                      .component = device.number,
                      .pasid = 1 + device.number * mix.pasids_each +
                               static_cast<std::uint32_t>(rng.below(mix.pasids_each)),
                      .epoch = 1,
                      .kind = static_cast<std::uint16_t>(EventKind::translate),
                      .code = static_cast<std::uint16_t>(miss ? 1 : 0)});
    device.begin = next_begin(mix, device.begin, device.begin + duration, rng);
    std::push_heap(heap.begin(), heap.end(), later);
  }
  return events;
}

}  // namespace viosim
