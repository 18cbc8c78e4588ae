// Turns a block of trace events into bytes. README.md says what they mean.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "sim/record/block_format.hpp"
#include "sim/record/column.hpp"
#include "sim/record/dictionary.hpp"

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

 private:
  // What is known of a context while the block is read.
  struct State {
    std::uint64_t distance = 0;  // of the last value from its address
    std::uint64_t address = 0;   // the last one
    std::uint64_t lowest = 0;    // the smallest and largest address
    std::uint64_t highest = 0;
    std::uint64_t previous_bits = 0;  // how long the differences between addresses are, together
    std::uint64_t events = 0;
    std::uint64_t begin = 0;  // of the last event, once one was seen
    std::uint64_t end = 0;
    std::uint64_t reference = 0;  // of addresses: the window's start, or the last one
    bool seen = false;
    block_format::AddressBase base = block_format::AddressBase::window;
  };
  using TimeBase = block_format::TimeBase;

  bool durations_repeat(std::span<const TraceEvent> events);
  bool classify(std::span<const TraceEvent> events, bool duration_in_shape);
  void start_block();
  std::uint32_t context_of(const TraceEvent& event);
  static void observe_address(State& state, std::uint64_t address);
  void choose_address_bases();
  TimeBase choose_time_base(std::span<const TraceEvent> events);
  void forget_times();

  void write_contexts();
  void write_shapes();
  void write_times(std::span<const TraceEvent> events);
  template <block_format::TimeBase base>
  void fill_times(std::span<const TraceEvent> events);
  void write_addresses(std::span<const TraceEvent> events);
  void write_durations(std::span<const TraceEvent> events);

  ColumnEncoder columns_;
  ByteWriter out_;
  Dictionary<block_format::Context> contexts_;
  Dictionary<block_format::Shape> shapes_;
  std::vector<State> states_;
  std::vector<std::uint64_t> page_distances_;
  std::vector<std::uint16_t> context_numbers_;
  std::vector<std::uint16_t> shape_numbers_;
  std::vector<std::uint64_t> listed_values_;
  std::size_t listed_ = 0;
  std::uint64_t address_bits_ = 0;
  std::vector<std::uint64_t> column_;
};

}  // namespace viosim
