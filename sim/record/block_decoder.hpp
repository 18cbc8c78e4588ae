// Turns the bytes of a trace block back into events.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "sim/record/block_format.hpp"
#include "sim/record/column.hpp"

#include <span>
#include <vector>

namespace viosim {

// Any bytes are safe to decode: what the encoder does not write throws BadBytes. One per thread.
class BlockDecoder {
 public:
  BlockDecoder();
  // Replaces the contents of `events`.
  void decode(std::span<const std::byte> bytes, std::vector<TraceEvent>& events);

 private:
  struct State {
    block_format::Context key;
    bool seen;
    std::uint64_t previous;  // all ones: addresses count from the context's last one; else 0
    std::uint64_t reference;
    std::uint64_t distance;
    std::uint64_t instant;  // when the last event began or ended, as the time base asks
  };

  void read_contexts(ByteReader& in);
  void read_shapes(ByteReader& in);
  void read_numbers(ByteReader& in, std::vector<std::uint16_t>& numbers, std::size_t limit,
                    std::size_t count);
  void read_listed(ByteReader& in, std::size_t events);
  template <block_format::TimeBase base>
  void build(std::span<TraceEvent> events, std::uint64_t first_begin, unsigned address_shift,
             bool duration_in_shape);

  ColumnDecoder columns_;
  std::vector<State> states_;
  std::vector<block_format::Shape> shapes_;
  std::vector<std::uint16_t> context_numbers_;
  std::vector<std::uint16_t> shape_numbers_;
  std::vector<std::uint64_t> durations_;
  std::vector<std::uint64_t> times_;
  std::vector<std::uint64_t> addresses_;
  std::vector<std::uint64_t> listed_values_;
  std::vector<std::uint32_t> pages_;
  std::vector<std::uint64_t> column_;
};

}  // namespace viosim
