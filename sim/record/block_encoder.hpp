// Turns a block of trace events into bytes. README.md says what they mean.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "sim/record/block_format.hpp"
#include "sim/record/column.hpp"
#include "sim/record/dictionary.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace viosim {

// The bytes depend on the events alone, not on blocks encoded before. One encoder per thread; it
// keeps about 3 MB of scratch memory.
class BlockEncoder {
 public:
  BlockEncoder();
  // Between 1 and trace_block_events events. The bytes are valid until the next call.
  std::span<const std::byte> encode(std::span<const TraceEvent> events);
  // The smallest and the largest time in the block encoded last.
  std::int64_t first_time() const { return first_time_; }
  std::int64_t last_time() const { return last_time_; }

 private:
  // What is known of a context: touched for each event, so kept short.
  struct State {
    std::uint64_t distance = 0;  // of the last value from its address
    std::uint64_t first = 0;     // address
    std::uint64_t lowest = 0;    // address
    std::uint64_t highest = 0;   // address
  };
  // The same context, as the sample and the later columns see it.
  struct Past {
    bool seen = false;
    std::uint64_t begin = 0;  // of the last event, once one was seen
    std::uint64_t end = 0;
    std::uint64_t address = 0;
    std::uint64_t differences = 0;  // between addresses of the sample: how many, how many bits
    std::uint64_t difference_bits = 0;
    std::uint64_t reference = 0;  // of addresses: the window's start, or the last one
    block_format::AddressBase base = block_format::AddressBase::window;
  };
  using TimeBase = block_format::TimeBase;

  bool durations_repeat(std::span<const TraceEvent> events);
  void start_block();
  bool classify(std::span<const TraceEvent> events, bool duration_in_shape);
  std::uint32_t context_of(const TraceEvent& event);
  TimeBase look_at_sample(std::span<const TraceEvent> events);
  void choose_address_bases();

  void write_contexts();
  void write_shapes();
  void write_durations(std::span<const TraceEvent> events);
  void write_times(std::span<const TraceEvent> events, TimeBase base);
  template <block_format::TimeBase base>
  void count_from_context(std::span<const TraceEvent> events);
  void write_addresses(std::size_t events);

  ColumnEncoder columns_;
  ByteWriter out_;
  Dictionary<block_format::Context> contexts_;
  Dictionary<block_format::Shape> shapes_;
  std::vector<State> states_;
  std::vector<Past> pasts_;
  std::vector<std::uint32_t> pages_;
  std::vector<std::uint16_t> context_numbers_;
  std::vector<std::uint16_t> shape_numbers_;
  std::vector<std::uint64_t> begins_;
  std::vector<std::uint64_t> addresses_;
  std::vector<std::uint64_t> listed_values_;
  std::size_t listed_ = 0;
  std::uint64_t address_bits_ = 0;
  std::int64_t first_time_ = 0;
  std::int64_t last_time_ = 0;
  std::vector<std::uint64_t> column_;
};

}  // namespace viosim
