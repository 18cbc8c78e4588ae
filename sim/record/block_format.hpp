// What the encoder and the decoder of trace blocks must agree on. README.md describes the bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace viosim::block_format {

inline constexpr std::uint64_t version = 1;

// Who an event is about. A block has few, so an event stores a number and the block a list.
struct Context {
  std::uint32_t component = 0;
  std::uint32_t pasid = 0;
  std::uint32_t epoch = 0;
  bool operator==(const Context&) const = default;
  std::uint64_t hash() const {
    const std::uint64_t mixed = (std::uint64_t{component} * 0x9e3779b97f4a7c15U) ^
                                (((std::uint64_t{pasid} << 32U) | epoch) * 0xc2b2ae3d27d4eb4fU);
    return mixed ^ (mixed >> 29U) ^ (mixed >> 47U);
  }
};

// How the decoder gets an event's value. A physical address usually lies as far from its IOVA as
// the one before it of this context, or as the last time that this page was seen.
enum class ValueSource : std::uint8_t { listed, zero, context_distance, page_distance };

// What an event says apart from where and when. Also few: latencies repeat.
struct Shape {
  std::uint64_t duration = 0;  // 0 when the block keeps its durations in a column
  std::uint16_t kind = 0;
  std::uint16_t code = 0;
  ValueSource source = ValueSource::listed;
  bool operator==(const Shape&) const = default;
  std::uint64_t word() const {
    return kind | (std::uint64_t{code} << 16U) | (static_cast<std::uint64_t>(source) << 32U);
  }
  std::uint64_t hash() const {
    const std::uint64_t mixed = (duration * 0x9e3779b97f4a7c15U) ^ (word() * 0xc2b2ae3d27d4eb4fU);
    return mixed ^ (mixed >> 29U) ^ (mixed >> 47U);
  }
};
// More shapes than this, and durations are better kept in a column of their own.
inline constexpr std::size_t most_shapes = 2048;

// What an event's beginning (time - duration) is counted from.
enum class TimeBase : std::uint8_t {
  previous_begin,          // of any event: requests at random
  context_previous_begin,  // a device that issues at a fixed rate
  context_previous_end,    // a device that waits for the answer
};

// What an event's address is counted from, chosen for each context.
enum class AddressBase : std::uint8_t { window, previous };

// The distances remembered by page. Small enough for the second-level cache.
inline constexpr unsigned page_bits = 12;
inline constexpr std::uint64_t page_offset = (std::uint64_t{1} << page_bits) - 1;
inline constexpr unsigned page_table_bits = 15;
inline std::size_t page_slot(std::uint32_t context, std::uint64_t address) {
  const std::uint64_t key = (address >> page_bits) + (std::uint64_t{context} << 40U);
  return (key * 0x9e3779b97f4a7c15U) >> (64U - page_table_bits);
}

inline std::uint64_t begin_of(const TraceEvent& event) {
  return static_cast<std::uint64_t>(event.time) - static_cast<std::uint64_t>(event.duration);
}

}  // namespace viosim::block_format
