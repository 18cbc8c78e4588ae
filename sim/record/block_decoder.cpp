// Reads a block's columns, then builds its events one after the other.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/block_decoder.hpp"

#include <algorithm>

namespace viosim {

using namespace block_format;

namespace {

std::size_t read_count(ByteReader& in, std::size_t most, const char* what) {
  const std::uint64_t count = in.varint();
  if (count > most) throw BadBytes(what);
  return count;
}

// All ones or all zeros.
constexpr std::uint64_t mask(bool set) { return 0 - static_cast<std::uint64_t>(set); }

// Mirrors the encoder's source_of. Sources follow each other like the throws of a die: a branch on them is
// mispredicted every other time, and compilers turn `?:` into branches; so masks.
std::uint64_t value_of(ValueSource source, std::uint64_t address, std::uint64_t listed,
                       std::uint64_t& context_distance, std::uint32_t& page) {
  const std::uint64_t offset = address & page_offset;
  const std::uint64_t value =
      (((std::uint64_t{page} << page_bits) | offset) & mask(source == ValueSource::page)) |
      ((address + context_distance) & mask(source == ValueSource::context_distance)) |
      ((listed + offset) & mask(source == ValueSource::listed));
  const std::uint64_t kept = mask(source == ValueSource::zero);
  context_distance = (context_distance & kept) | ((value - address) & ~kept);
  page = static_cast<std::uint32_t>((page & kept) | ((value >> page_bits) & ~kept));
  return value;
}

}  // namespace

BlockDecoder::BlockDecoder()
    : context_numbers_(trace_block_events),
      shape_numbers_(trace_block_events),
      durations_(trace_block_events),
      times_(trace_block_events),
      addresses_(trace_block_events),
      listed_values_(trace_block_events + 1),
      pages_(std::size_t{1} << page_table_bits),
      column_(trace_block_events) {}

void BlockDecoder::decode(std::span<const std::byte> bytes, std::vector<TraceEvent>& events) {
  ByteReader in(bytes);
  if (in.varint() != version) throw BadBytes("the block has an unknown version");
  const std::size_t count = read_count(in, trace_block_events, "the block has too many events");
  if (count == 0) throw BadBytes("the block is empty");
  const bool in_shape = read_count(in, 1, "the block's layout is unknown") == 1;
  read_contexts(in);
  read_shapes(in);
  read_numbers(in, context_numbers_, states_.size(), count);
  read_numbers(in, shape_numbers_, shapes_.size(), count);
  if (!in_shape) columns_.read(in, ColumnKind::distances, std::span(durations_).first(count));
  const auto base = static_cast<TimeBase>(read_count(in, 2, "the block's time base is unknown"));
  const std::uint64_t first_begin = unzigzag(in.varint());
  columns_.read(in, ColumnKind::differences, std::span(times_).first(count));
  const auto shift = static_cast<unsigned>(read_count(in, 63, "the block's shift is too large"));
  columns_.read(in, ColumnKind::small, std::span(addresses_).first(count));
  read_listed(in, count);
  if (!in.empty()) throw BadBytes("the block has bytes after its end");

  events.resize(count);
  std::fill(pages_.begin(), pages_.end(), 0);
  switch (base) {
    case TimeBase::previous_begin:
      build<TimeBase::previous_begin>(events, first_begin, shift, in_shape);
      break;
    case TimeBase::context_previous_begin:
      build<TimeBase::context_previous_begin>(events, first_begin, shift, in_shape);
      break;
    case TimeBase::context_previous_end:
      build<TimeBase::context_previous_end>(events, first_begin, shift, in_shape);
      break;
  }
}

void BlockDecoder::read_contexts(ByteReader& in) {
  const std::size_t count = read_count(in, trace_block_events, "the block has too many contexts");
  states_.assign(count, State{});
  const auto column = std::span(column_).first(count);
  const auto read = [&](auto&& store) {
    columns_.read(in, ColumnKind::distances, column);
    for (std::size_t i = 0; i < count; ++i) store(states_[i], column[i]);
  };
  read([](State& s, std::uint64_t v) { s.key.component = static_cast<std::uint32_t>(v); });
  read([](State& s, std::uint64_t v) { s.key.pasid = static_cast<std::uint32_t>(v); });
  read([](State& s, std::uint64_t v) { s.key.epoch = static_cast<std::uint32_t>(v); });
  read([](State& s, std::uint64_t v) { s.reference = v; });
  read([](State& s, std::uint64_t v) { s.previous = mask(v != 0); });
}

void BlockDecoder::read_shapes(ByteReader& in) {
  const std::size_t count = read_count(in, trace_block_events, "the block has too many shapes");
  shapes_.assign(count, Shape{});
  const auto column = std::span(column_).first(count);
  columns_.read(in, ColumnKind::distances, column);
  for (std::size_t i = 0; i < count; ++i) shapes_[i].duration = column[i];
  columns_.read(in, ColumnKind::distances, column);
  for (std::size_t i = 0; i < count; ++i) shapes_[i].word = column[i];
}

void BlockDecoder::read_numbers(ByteReader& in, std::vector<std::uint16_t>& numbers,
                                std::size_t limit, std::size_t count) {
  const auto used = std::span(numbers).first(count);
  columns_.read(in, used);
  std::uint16_t largest = 0;
  for (const std::uint16_t number : used) largest = std::max(largest, number);
  if (largest >= limit) throw BadBytes("an event refers to an entry that its block lacks");
}

void BlockDecoder::read_listed(ByteReader& in, std::size_t events) {
  const std::size_t count = read_count(in, events, "the block lists too many values");
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < events; ++i)
    wanted += shapes_[shape_numbers_[i]].source() == ValueSource::listed ? 1 : 0;
  if (count != wanted) throw BadBytes("the block lists another number of values than it uses");
  columns_.read(in, ColumnKind::distances, std::span(listed_values_).first(count));
}

template <TimeBase base>
void BlockDecoder::build(std::span<TraceEvent> events, std::uint64_t first_begin,
                         unsigned address_shift, bool duration_in_shape) {
  std::uint64_t previous = first_begin;
  const std::uint64_t* listed = listed_values_.data();
  std::uint32_t* const pages = pages_.data();
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::uint32_t context = context_numbers_[i];
    State& state = states_[context];
    const Shape& shape = shapes_[shape_numbers_[i]];
    const std::uint64_t duration = duration_in_shape ? shape.duration : durations_[i];

    std::uint64_t begin = times_[i] + previous;
    if constexpr (base != TimeBase::previous_begin) {
      begin = times_[i] + (state.seen ? state.instant : previous);
      state.instant = base == TimeBase::context_previous_begin ? begin : begin + duration;
      state.seen = true;
    }
    previous = begin;

    // Zigzag only from the previous address; masks for the same reason as in value_of.
    const std::uint64_t number = addresses_[i];
    const std::uint64_t signs = (0 - (number & 1U)) & state.previous;
    const std::uint64_t step = ((number >> (state.previous & 1U)) ^ signs) << address_shift;
    const std::uint64_t address = state.reference + step;
    state.reference += step & state.previous;

    const ValueSource source = shape.source();
    const std::uint64_t value =
        value_of(source, address, *listed, state.distance, pages[page_slot(context, address)]);
    listed += source == ValueSource::listed ? 1 : 0;
    events[i] = {.time = static_cast<std::int64_t>(begin + duration),
                 .duration = static_cast<std::int64_t>(duration),
                 .address = address,
                 .value = value,
                 .component = state.key.component,
                 .pasid = state.key.pasid,
                 .epoch = state.key.epoch,
                 .kind = shape.kind(),
                 .code = shape.code()};
  }
}

}  // namespace viosim
