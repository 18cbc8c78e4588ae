// What the encoder and the decoder of trace blocks must agree on. README.md describes the bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace viosim::block_format {

inline constexpr std::uint64_t version = 1;

// Multipliers for hashing: odd, with no pattern in their bits (fractions of the golden ratio and of
// the square roots of 2 and 3).
inline constexpr std::uint64_t golden = 0x9e3779b97f4a7c15U;
inline constexpr std::uint64_t root_two = 0x6a09e667f3bcc909U;
inline constexpr std::uint64_t root_three = 0xbb67ae8584caa73bU;

// Who an event is about. A block has few, so an event stores a number and the block a list.
struct Context {
  std::uint32_t component = 0;
  std::uint32_t pasid = 0;
  std::uint32_t epoch = 0;
  bool operator==(const Context& other) const {  // one branch
    return ((component ^ other.component) | (pasid ^ other.pasid) | (epoch ^ other.epoch)) == 0;
  }
  std::uint64_t hash() const {
    return (component * golden + pasid * root_two + epoch * root_three) >> 32U;
  }
};

// How the decoder gets an event's value. A physical address usually lies as far from its IOVA as
// the one before it of this context, or its page is the one that this IOVA's page last led to.
enum class ValueSource : std::uint8_t { listed, zero, context_distance, page };

// What an event says apart from where and when. Also few: latencies repeat.
struct Shape {
  std::uint64_t duration = 0;  // 0 when the block keeps its durations in a column
  std::uint64_t word = 0;      // kind, code and source, from the lowest bits up

  Shape() = default;
  Shape(std::uint64_t its_duration, std::uint64_t its_word)
      : duration(its_duration), word(its_word) {}
  Shape(std::uint64_t its_duration, std::uint16_t kind, std::uint16_t code, ValueSource source)
      : duration(its_duration),
        word(kind | (std::uint64_t{code} << 16U) | (static_cast<std::uint64_t>(source) << 32U)) {}
  std::uint16_t kind() const { return static_cast<std::uint16_t>(word); }
  std::uint16_t code() const { return static_cast<std::uint16_t>(word >> 16U); }
  ValueSource source() const { return static_cast<ValueSource>((word >> 32U) & 3U); }
  bool operator==(const Shape& other) const {  // one branch
    return ((duration ^ other.duration) | (word ^ other.word)) == 0;
  }
  std::uint64_t hash() const { return (duration * golden + word * root_two) >> 32U; }
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

// Which page stands behind an IOVA's page, as far as the block has shown it: a table small enough
// for the second-level cache, of page numbers short enough for 2^44 bytes of physical memory.
inline constexpr unsigned page_bits = 12;
inline constexpr std::uint64_t page_offset = (std::uint64_t{1} << page_bits) - 1;
inline constexpr unsigned page_table_bits = 15;
inline std::size_t page_slot(std::uint32_t context, std::uint64_t address) {
  const std::uint64_t key = (address >> page_bits) + (std::uint64_t{context} << 40U);
  return (key * golden) >> (64U - page_table_bits);
}

}  // namespace viosim::block_format
