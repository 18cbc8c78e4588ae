// Takes a block's events apart in one pass, then writes column after column.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/block_encoder.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <limits>

namespace viosim {

using namespace block_format;

namespace {

// How many events the choices between ways to write a column look at.
constexpr std::size_t sample_events = std::size_t{8} * 1024;

std::uint64_t length_of(std::uint64_t difference) {
  return static_cast<std::uint64_t>(std::bit_width(zigzag(difference)));
}

// Without branches on the outcome: whether a page was seen before is hard to predict.
ValueSource source_of(const TraceEvent& event, std::uint64_t& context_distance,
                      std::uint32_t& page) {
  const std::uint64_t distance = event.value - event.address;
  const std::uint64_t from_page =
      (std::uint64_t{page} << page_bits) | (event.address & page_offset);
  const auto zero = static_cast<unsigned>(event.value == 0);
  const auto by_context = static_cast<unsigned>(distance == context_distance) & ~zero;
  const auto by_page = static_cast<unsigned>(event.value == from_page) & ~zero & ~by_context;
  context_distance = zero != 0 ? context_distance : distance;
  page = zero != 0 ? page : static_cast<std::uint32_t>(event.value >> page_bits);
  return static_cast<ValueSource>(zero | (by_context << 1U) | (by_page * 3U));
}

}  // namespace

BlockEncoder::BlockEncoder()
    : pages_(std::size_t{1} << page_table_bits),
      context_numbers_(trace_block_events),
      shape_numbers_(trace_block_events),
      begins_(trace_block_events),
      addresses_(trace_block_events),
      listed_values_(trace_block_events + 1),
      column_(trace_block_events) {}

std::span<const std::byte> BlockEncoder::encode(std::span<const TraceEvent> events) {
  ensure(!events.empty() && events.size() <= trace_block_events, "a block has 1 to 64 Ki events");
  out_.clear();
  const bool in_shape = durations_repeat(events) && classify(events, true);
  if (!in_shape) classify(events, false);
  const TimeBase time_base = look_at_sample(events);
  choose_address_bases();

  out_.varint(version);
  out_.varint(events.size());
  out_.varint(in_shape ? 1 : 0);
  write_contexts();
  write_shapes();
  columns_.write(std::span<const std::uint16_t>(context_numbers_).first(events.size()), out_);
  columns_.write(std::span<const std::uint16_t>(shape_numbers_).first(events.size()), out_);
  if (!in_shape) write_durations(events);
  write_times(events, time_base);
  write_addresses(events.size());
  out_.varint(listed_);
  columns_.write(std::span(listed_values_).first(listed_), ColumnKind::distances, out_);
  return out_.bytes();
}

// Guesses from the block's first events; classify() notices when the guess was wrong.
bool BlockEncoder::durations_repeat(std::span<const TraceEvent> events) {
  shapes_.clear();
  const auto sample = events.first(std::min<std::size_t>(events.size(), 2048));
  for (const TraceEvent& event : sample)
    shapes_.number_of({static_cast<std::uint64_t>(event.duration), 0});
  return shapes_.size() <= sample.size() / 4 + 1;
}

void BlockEncoder::start_block() {
  contexts_.clear();
  shapes_.clear();
  states_.clear();
  std::fill(pages_.begin(), pages_.end(), 0);
}

// The only pass over the events themselves: numbers contexts and shapes, finds how values follow
// from addresses, and takes the times and addresses out. False: there are too many shapes.
// Pointers and counters are locals, because the compiler must assume that storing a number changes
// a member.
bool BlockEncoder::classify(std::span<const TraceEvent> events, bool duration_in_shape) {
  start_block();
  const std::uint64_t keep_duration = duration_in_shape ? ~std::uint64_t{0} : 0;
  std::uint32_t* const pages = pages_.data();
  std::uint64_t* const listed_values = listed_values_.data();
  std::uint64_t* const begins = begins_.data();
  std::uint64_t* const addresses = addresses_.data();
  std::uint16_t* const context_numbers = context_numbers_.data();
  std::uint16_t* const shape_numbers = shape_numbers_.data();
  std::size_t listed = 0;
  std::uint64_t address_bits = 0;
  std::int64_t first_time = std::numeric_limits<std::int64_t>::max();
  std::int64_t last_time = std::numeric_limits<std::int64_t>::min();
  for (std::size_t i = 0; i < events.size(); ++i) {
    const TraceEvent& event = events[i];
    const auto duration = static_cast<std::uint64_t>(event.duration);
    begins[i] = static_cast<std::uint64_t>(event.time) - duration;
    addresses[i] = event.address;
    first_time = std::min(first_time, event.time);
    last_time = std::max(last_time, event.time);

    const std::uint32_t context = context_of(event);
    State& state = states_[context];
    address_bits |= event.address - state.first;
    state.lowest = std::min(state.lowest, event.address);
    state.highest = std::max(state.highest, event.address);
    const ValueSource source =
        source_of(event, state.distance, pages[page_slot(context, event.address)]);
    // The offset within the page is usually that of the address.
    listed_values[listed] = event.value - (event.address & page_offset);
    listed += source == ValueSource::listed ? 1 : 0;
    const std::uint32_t shape =
        shapes_.number_of({duration & keep_duration, event.kind, event.code, source});
    if (duration_in_shape && shape >= most_shapes) [[unlikely]]
      return false;
    context_numbers[i] = static_cast<std::uint16_t>(context);
    shape_numbers[i] = static_cast<std::uint16_t>(shape);
  }
  listed_ = listed;
  address_bits_ = address_bits;
  first_time_ = first_time;
  last_time_ = last_time;
  return true;
}

inline std::uint32_t BlockEncoder::context_of(const TraceEvent& event) {
  const std::uint32_t context = contexts_.number_of(
      {.component = event.component, .pasid = event.pasid, .epoch = event.epoch});
  if (context == states_.size()) [[unlikely]]
    states_.push_back({.first = event.address, .lowest = event.address, .highest = event.address});
  return context;
}

// Adds up how long the numbers would be in each way to count times and addresses. The first event
// of a context is counted from the event before it.
TimeBase BlockEncoder::look_at_sample(std::span<const TraceEvent> events) {
  pasts_.assign(states_.size(), Past{});
  std::uint64_t any = 0;
  std::uint64_t same_begin = 0;
  std::uint64_t same_end = 0;
  std::uint64_t previous = begins_[0];
  for (std::size_t i = 0; i < std::min(events.size(), sample_events); ++i) {
    const std::uint64_t begin = begins_[i];
    Past& past = pasts_[context_numbers_[i]];
    any += length_of(begin - previous);
    same_begin += length_of(begin - (past.seen ? past.begin : previous));
    same_end += length_of(begin - (past.seen ? past.end : previous));
    if (past.seen) {
      ++past.differences;
      past.difference_bits += length_of(addresses_[i] - past.address);
    }
    past.seen = true;
    past.begin = previous = begin;
    past.end = static_cast<std::uint64_t>(events[i].time);
    past.address = addresses_[i];
  }
  if (any <= same_begin && any <= same_end) return TimeBase::previous_begin;
  return same_begin <= same_end ? TimeBase::context_previous_begin : TimeBase::context_previous_end;
}

void BlockEncoder::choose_address_bases() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    Past& past = pasts_[i];
    const auto window_bits =
        static_cast<std::uint64_t>(std::bit_width(states_[i].highest - states_[i].lowest));
    const bool window = window_bits * past.differences <= past.difference_bits;
    past.base = window ? AddressBase::window : AddressBase::previous;
    past.reference = states_[i].lowest;
    past.seen = false;
  }
}

void BlockEncoder::write_contexts() {
  const auto write = [&](auto&& member) {
    for (std::size_t i = 0; i < pasts_.size(); ++i) column_[i] = member(i);
    columns_.write(std::span(column_).first(pasts_.size()), ColumnKind::distances, out_);
  };
  const auto& keys = contexts_.keys();
  out_.varint(keys.size());
  write([&](std::size_t i) { return std::uint64_t{keys[i].component}; });
  write([&](std::size_t i) { return std::uint64_t{keys[i].pasid}; });
  write([&](std::size_t i) { return std::uint64_t{keys[i].epoch}; });
  write([&](std::size_t i) { return pasts_[i].reference; });
  write([&](std::size_t i) { return static_cast<std::uint64_t>(pasts_[i].base); });
}

void BlockEncoder::write_shapes() {
  const auto& keys = shapes_.keys();
  out_.varint(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) column_[i] = keys[i].duration;
  columns_.write(std::span(column_).first(keys.size()), ColumnKind::distances, out_);
  for (std::size_t i = 0; i < keys.size(); ++i) column_[i] = keys[i].word;
  columns_.write(std::span(column_).first(keys.size()), ColumnKind::distances, out_);
}

void BlockEncoder::write_durations(std::span<const TraceEvent> events) {
  for (std::size_t i = 0; i < events.size(); ++i)
    column_[i] = static_cast<std::uint64_t>(events[i].duration);
  columns_.write(std::span(column_).first(events.size()), ColumnKind::distances, out_);
}

template <TimeBase base>
void BlockEncoder::count_from_context(std::span<const TraceEvent> events) {
  std::uint64_t previous = begins_[0];
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::uint64_t begin = begins_[i];
    Past& past = pasts_[context_numbers_[i]];
    begins_[i] = begin - (past.seen ? past.begin : previous);
    past.begin = base == TimeBase::context_previous_begin
                     ? begin
                     : static_cast<std::uint64_t>(events[i].time);
    past.seen = true;
    previous = begin;
  }
}

void BlockEncoder::write_times(std::span<const TraceEvent> events, TimeBase base) {
  out_.varint(static_cast<std::uint64_t>(base));
  out_.varint(zigzag(begins_[0]));
  const auto begins = std::span(begins_).first(events.size());
  switch (base) {
    case TimeBase::previous_begin:
      for (std::size_t i = begins.size(); i-- > 1;) begins[i] -= begins[i - 1];
      begins[0] = 0;
      break;
    case TimeBase::context_previous_begin:
      count_from_context<TimeBase::context_previous_begin>(events);
      break;
    case TimeBase::context_previous_end:
      count_from_context<TimeBase::context_previous_end>(events);
      break;
  }
  columns_.write(begins, ColumnKind::differences, out_);
}

// Addresses lose the zero bits that all their differences end in, before the sign goes there.
void BlockEncoder::write_addresses(std::size_t events) {
  const auto shift =
      address_bits_ == 0 ? 0U : static_cast<unsigned>(std::countr_zero(address_bits_));
  std::uint64_t* const addresses = addresses_.data();
  for (std::size_t i = 0; i < events; ++i) {
    Past& past = pasts_[context_numbers_[i]];
    const std::uint64_t difference = addresses[i] - past.reference;
    const std::uint64_t window = 0 - static_cast<std::uint64_t>(past.base == AddressBase::window);
    const auto near = static_cast<std::uint64_t>(static_cast<std::int64_t>(difference) >> shift);
    addresses[i] = ((difference >> shift) & window) | (zigzag(near) & ~window);
    past.reference += difference & ~window;
  }
  out_.varint(shift);
  columns_.write(std::span(addresses_).first(events), ColumnKind::small, out_);
}

}  // namespace viosim
