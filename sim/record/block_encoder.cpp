// SPDX-License-Identifier: Apache-2.0
#include "sim/record/block_encoder.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace viosim {

using namespace block_format;

namespace {

std::uint64_t length_of(std::uint64_t difference) {
  return static_cast<std::uint64_t>(std::bit_width(zigzag(difference) | 1U));
}

// Without branches on the outcome: whether a page was seen before is hard to predict.
ValueSource source_of(const TraceEvent& event, std::uint64_t& context_distance,
                      std::uint64_t& page_distance) {
  const std::uint64_t distance = event.value - event.address;
  const bool is_zero = event.value == 0;
  const auto zero = static_cast<unsigned>(is_zero);
  const auto by_context = static_cast<unsigned>(distance == context_distance) & ~zero;
  const auto by_page = static_cast<unsigned>(distance == page_distance) & ~zero & ~by_context;
  const std::uint64_t keep = 0 - std::uint64_t{zero};
  page_distance = (page_distance & keep) | (distance & ~keep);
  context_distance = (context_distance & keep) | (distance & ~keep);
  return static_cast<ValueSource>(zero | (by_context << 1U) | (by_page * 3U));
}

}  // namespace

BlockEncoder::BlockEncoder()
    : page_distances_(std::size_t{1} << page_table_bits),
      context_numbers_(trace_block_events),
      shape_numbers_(trace_block_events),
      listed_values_(trace_block_events),
      column_(trace_block_events) {}

std::span<const std::byte> BlockEncoder::encode(std::span<const TraceEvent> events) {
  ensure(!events.empty() && events.size() <= trace_block_events, "a block has 1 to 64 Ki events");
  out_.clear();
  const bool in_shape = durations_repeat(events) && classify(events, true);
  if (!in_shape) classify(events, false);
  choose_address_bases();

  out_.varint(version);
  out_.varint(events.size());
  out_.varint(in_shape ? 1 : 0);
  write_contexts();
  write_shapes();
  columns_.write(std::span<const std::uint16_t>(context_numbers_).first(events.size()), out_);
  columns_.write(std::span<const std::uint16_t>(shape_numbers_).first(events.size()), out_);
  if (!in_shape) write_durations(events);
  write_times(events);
  write_addresses(events);
  out_.varint(listed_);
  columns_.write(std::span(listed_values_).first(listed_), ColumnKind::distances, out_);
  return out_.bytes();
}

// Guesses from the block's first events; classify() notices when the guess was wrong.
bool BlockEncoder::durations_repeat(std::span<const TraceEvent> events) {
  shapes_.clear();
  const auto sample = events.first(std::min<std::size_t>(events.size(), 2048));
  for (const TraceEvent& event : sample)
    shapes_.number_of({.duration = static_cast<std::uint64_t>(event.duration)});
  return shapes_.size() <= sample.size() / 4 + 1;
}

// Numbers the contexts and shapes. False: there are too many shapes. Pointers and counters are
// locals here, because the compiler must assume that storing a number changes a member.
bool BlockEncoder::classify(std::span<const TraceEvent> events, bool duration_in_shape) {
  start_block();
  const std::uint64_t keep_duration = duration_in_shape ? ~std::uint64_t{0} : 0;
  std::uint64_t* const page_distances = page_distances_.data();
  std::uint64_t* const listed_values = listed_values_.data();
  std::uint16_t* const context_numbers = context_numbers_.data();
  std::uint16_t* const shape_numbers = shape_numbers_.data();
  std::size_t listed = 0;
  std::uint64_t address_bits = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const TraceEvent& event = events[i];
    const std::uint32_t context = context_of(event);
    State& state = states_[context];
    std::uint64_t& page_distance = page_distances[page_slot(context, event.address)];
    const ValueSource source = source_of(event, state.distance, page_distance);
    // The offset within the page is usually that of the address.
    listed_values[listed] = event.value - (event.address & page_offset);
    listed += source == ValueSource::listed ? 1 : 0;
    address_bits |= event.address - state.address;
    observe_address(state, event.address);
    const std::uint32_t shape =
        shapes_.number_of({.duration = static_cast<std::uint64_t>(event.duration) & keep_duration,
                           .kind = event.kind,
                           .code = event.code,
                           .source = source});
    if (duration_in_shape && shape >= most_shapes) return false;
    context_numbers[i] = static_cast<std::uint16_t>(context);
    shape_numbers[i] = static_cast<std::uint16_t>(shape);
  }
  listed_ = listed;
  address_bits_ = address_bits;
  return true;
}

void BlockEncoder::start_block() {
  contexts_.clear();
  shapes_.clear();
  states_.clear();
  std::fill(page_distances_.begin(), page_distances_.end(), 0);
}

std::uint32_t BlockEncoder::context_of(const TraceEvent& event) {
  const std::uint32_t context = contexts_.number_of(
      {.component = event.component, .pasid = event.pasid, .epoch = event.epoch});
  if (context == states_.size()) [[unlikely]]
    states_.push_back(
        {.address = event.address, .lowest = event.address, .highest = event.address});
  return context;
}

void BlockEncoder::observe_address(State& state, std::uint64_t address) {
  state.previous_bits += length_of(address - state.address);
  state.address = address;
  state.lowest = std::min(state.lowest, address);
  state.highest = std::max(state.highest, address);
  ++state.events;
}

void BlockEncoder::choose_address_bases() {
  for (State& state : states_) {
    const auto window_bits =
        static_cast<std::uint64_t>(std::bit_width(state.highest - state.lowest));
    const bool window = window_bits * state.events <= state.previous_bits + window_bits;
    state.base = window ? AddressBase::window : AddressBase::previous;
    state.reference = state.lowest;
  }
}

void BlockEncoder::write_contexts() {
  const auto write = [&](ColumnKind kind, auto&& member) {
    for (std::size_t i = 0; i < states_.size(); ++i) column_[i] = member(i);
    columns_.write(std::span(column_).first(states_.size()), kind, out_);
  };
  const auto& keys = contexts_.keys();
  out_.varint(keys.size());
  write(ColumnKind::distances, [&](std::size_t i) { return std::uint64_t{keys[i].component}; });
  write(ColumnKind::distances, [&](std::size_t i) { return std::uint64_t{keys[i].pasid}; });
  write(ColumnKind::distances, [&](std::size_t i) { return std::uint64_t{keys[i].epoch}; });
  write(ColumnKind::distances, [&](std::size_t i) { return states_[i].reference; });
  write(ColumnKind::distances,
        [&](std::size_t i) { return static_cast<std::uint64_t>(states_[i].base); });
}

void BlockEncoder::write_shapes() {
  const auto& keys = shapes_.keys();
  out_.varint(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) column_[i] = keys[i].duration;
  columns_.write(std::span(column_).first(keys.size()), ColumnKind::distances, out_);
  for (std::size_t i = 0; i < keys.size(); ++i) column_[i] = keys[i].word();
  columns_.write(std::span(column_).first(keys.size()), ColumnKind::distances, out_);
}

void BlockEncoder::write_durations(std::span<const TraceEvent> events) {
  for (std::size_t i = 0; i < events.size(); ++i)
    column_[i] = static_cast<std::uint64_t>(events[i].duration);
  columns_.write(std::span(column_).first(events.size()), ColumnKind::distances, out_);
}

// The first event of a context is counted from the event before it, hence `seen`.
void BlockEncoder::forget_times() {
  for (State& state : states_) state.seen = false;
}

TimeBase BlockEncoder::choose_time_base(std::span<const TraceEvent> events) {
  forget_times();
  std::uint64_t any = 0;
  std::uint64_t same_begin = 0;
  std::uint64_t same_end = 0;
  std::uint64_t previous = begin_of(events[0]);
  const std::size_t sample = std::min<std::size_t>(events.size(), 16 * 1024);
  for (std::size_t i = 0; i < sample; ++i) {
    const std::uint64_t begin = begin_of(events[i]);
    State& state = states_[context_numbers_[i]];
    const bool first = !state.seen;
    any += length_of(begin - previous);
    same_begin += length_of(begin - (first ? previous : state.begin));
    same_end += length_of(begin - (first ? previous : state.end));
    previous = state.begin = begin;
    state.end = static_cast<std::uint64_t>(events[i].time);
    state.seen = true;
  }
  if (any <= same_begin && any <= same_end) return TimeBase::previous_begin;
  return same_begin <= same_end ? TimeBase::context_previous_begin : TimeBase::context_previous_end;
}

template <TimeBase base>
void BlockEncoder::fill_times(std::span<const TraceEvent> events) {
  std::uint64_t previous = begin_of(events[0]);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::uint64_t begin = begin_of(events[i]);
    std::uint64_t from = previous;
    if constexpr (base != TimeBase::previous_begin) {
      State& state = states_[context_numbers_[i]];
      from = state.seen ? state.begin : previous;
      state.begin = base == TimeBase::context_previous_begin
                        ? begin
                        : static_cast<std::uint64_t>(events[i].time);
      state.seen = true;
    }
    column_[i] = begin - from;
    previous = begin;
  }
}

void BlockEncoder::write_times(std::span<const TraceEvent> events) {
  const TimeBase base = choose_time_base(events);
  forget_times();
  switch (base) {
    case TimeBase::previous_begin:
      fill_times<TimeBase::previous_begin>(events);
      break;
    case TimeBase::context_previous_begin:
      fill_times<TimeBase::context_previous_begin>(events);
      break;
    case TimeBase::context_previous_end:
      fill_times<TimeBase::context_previous_end>(events);
      break;
  }
  out_.varint(static_cast<std::uint64_t>(base));
  out_.varint(zigzag(begin_of(events[0])));
  columns_.write(std::span(column_).first(events.size()), ColumnKind::differences, out_);
}

// Addresses lose the zero bits that all their differences end in, before the sign goes there.
void BlockEncoder::write_addresses(std::span<const TraceEvent> events) {
  const auto shift =
      address_bits_ == 0 ? 0U : static_cast<unsigned>(std::countr_zero(address_bits_));
  std::uint64_t* const column = column_.data();
  for (std::size_t i = 0; i < events.size(); ++i) {
    State& state = states_[context_numbers_[i]];
    const std::uint64_t difference = events[i].address - state.reference;
    const std::uint64_t window = 0 - static_cast<std::uint64_t>(state.base == AddressBase::window);
    const auto near = static_cast<std::uint64_t>(static_cast<std::int64_t>(difference) >> shift);
    column[i] = ((difference >> shift) & window) | (zigzag(near) & ~window);
    state.reference += difference & ~window;
  }
  out_.varint(shift);
  columns_.write(std::span(column_).first(events.size()), ColumnKind::distances, out_);
}

}  // namespace viosim
