// The agenda of hardware events: what happens next, exactly ordered, at a cost that does not grow
// with the number of pending events.
// SPDX-License-Identifier: Apache-2.0
//
// The order is total and documented, so that no result depends on a container's whim:
//   1. the earlier instant; 2. the lower class; 3. the lower device; 4. the lower ticket, which is
//   the one scheduled first unless the caller drew a ticket earlier.
//
// How it is fast. Most events lie within a few microseconds, so a wheel of buckets holds them:
// scheduling links the event to the bucket of its date, advancing opens the next non-empty bucket
// (found in a bitmap) and sorts the few events in it. Dates beyond the wheel wait in a heap. The
// width of a bucket adapts to the density of events; the order of events does not depend on it.
#pragma once

#include "core/base/error.hpp"
#include "core/base/time.hpp"
#include "core/des/onlooker.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace viosim {

// Simulated time would pass Instant::latest().
class TimeLimitError : public std::runtime_error {
 public:
  // `what` would come after it: "an event of the hardware", "the end of the sleep of vcpu0".
  explicit TimeLimitError(std::string_view what);
};

// Something that hardware events happen to.
class EventHandler {
 public:
  // `what` is the number given to schedule(); Agenda::now() is the event's instant.
  virtual void fire(std::uint64_t what) = 0;

 protected:
  ~EventHandler() = default;
};

// The middle of the key: class and device. Classes below 16, devices below 2^20.
class EventRank {
 public:
  static constexpr unsigned device_bits = 20;
  static constexpr unsigned ticket_bits = 40;

  constexpr EventRank(std::uint8_t event_class, std::uint32_t device)
      : bits_((std::uint64_t{event_class} << (device_bits + ticket_bits)) |
              (std::uint64_t{device} << ticket_bits)) {}
  constexpr std::uint64_t bits() const { return bits_; }

 private:
  std::uint64_t bits_;
};

class Agenda {
 public:
  Agenda();
  Agenda(const Agenda&) = delete;
  Agenda& operator=(const Agenda&) = delete;

  // The instant of the event that is running, or that ran last, or that software acted at last.
  Instant now() const { return Instant(Ps(static_cast<std::int64_t>(now_))); }

  // `at` is not before now(). Throws TimeLimitError beyond Instant::latest().
  void schedule(Instant at, EventRank rank, EventHandler& handler, std::uint64_t what) {
    schedule(at, rank, draw_ticket(), handler, what);
  }
  // The same with a ticket that was drawn earlier: what belongs to one activity keeps the place in
  // the order that it had at its beginning, however many events it is made of.
  void schedule(Instant at, EventRank rank, std::uint64_t ticket, EventHandler& handler,
                std::uint64_t what) {
    const auto time = static_cast<std::uint64_t>(at.ps());
    if (time - now_ > latest - now_) [[unlikely]]
      refuse(at);
    place({time, rank.bits() | ticket, &handler, what});
  }
  std::uint64_t draw_ticket() { return ++tickets_; }

  // Whether an event with this key would have run by now, or is running.
  bool passed(Instant at, EventRank rank, std::uint64_t ticket) const {
    const auto time = static_cast<std::uint64_t>(at.ps());
    return time < now_ || (time == now_ && (rank.bits() | ticket) <= order_);
  }

  // One of the pending events will change nothing, such as the deadline of what is done by now. It is
  // not taken out, but keeps no run going. Take it back when it matters again, and when it runs.
  void set_aside() {
    ++aside_;
    find_rest();
  }
  void take_back() {
    --aside_;
    find_rest();
  }

  bool empty() const { return pending_ == aside_; }  // but for those
  std::size_t pending() const { return pending_; }
  std::uint64_t executed() const { return executed_; }

  // The instant of the next event, set aside or not; later than Instant::latest() when there is none.
  Instant next() const;
  // Runs events in order while they lie strictly before `end`, until one of them calls stop_here().
  // True when stopped so. Without an end, at Instant::latest() or later, until it is empty().
  bool run_before(Instant end);
  // For a handler: no further event runs before control has gone back to the caller of
  // run_before().
  void stop_here() { stop_ = true; }
  // For a handler: no event later than `at` runs before control has gone back to the caller of
  // run_before().
  void stop_after(Instant at) {
    limit_ = std::min(limit_, static_cast<std::uint64_t>(at.ps()) + 1);
    find_rest();
  }
  // Answers between two events, when asked. It outlives the runs.
  void set_onlooker(Onlooker& onlooker) { onlooker_ = &onlooker; }
  // Software acts at this instant, which no pending event precedes.
  void software_acts_at(Instant at);

 private:
  struct Event {
    std::uint64_t time;
    std::uint64_t order;  // class, device, ticket
    EventHandler* handler;
    std::uint64_t what;

    friend bool operator<(const Event& a, const Event& b) {
      __extension__ using Key = unsigned __int128;
      return ((Key{a.time} << 64U) | a.order) < ((Key{b.time} << 64U) | b.order);
    }
  };
  static constexpr std::uint64_t latest = static_cast<std::uint64_t>(Instant::latest().ps());
  static constexpr std::uint32_t none = 0xffffffff;
  static constexpr std::uint64_t none_occupied = ~std::uint64_t{0};

  [[noreturn]] void refuse(Instant at) const;

  // Events go by value: their address not being taken, the usual path keeps them in registers, and
  // what is stored field by field is not loaded back in larger pieces, which stalls.
  void place(Event event) {
    ++pending_;
    const std::uint64_t bucket = event.time >> width_;
    if (bucket <= open_bucket_) {
      insert_into_open(event);
    } else if (bucket - open_bucket_ < wheel_.size()) {
      link(bucket, event);
    } else {
      push_far(event);
    }
  }
  void link(std::uint64_t bucket, Event event) {
    std::uint32_t node = free_node_;
    if (node == none) [[unlikely]]
      node = grow_nodes();
    free_node_ = next_[node];
    nodes_[node] = event;
    const std::size_t slot = bucket & (wheel_.size() - 1);
    next_[node] = wheel_[slot];
    wheel_[slot] = node;
    occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
    next_occupied_ = std::min(next_occupied_, bucket);
  }
  void insert_into_open(Event event);
  void push_far(Event event);
  std::uint32_t grow_nodes();
  bool open_next_bucket(std::uint64_t limit);
  std::uint64_t find_occupied() const;
  void take_bucket(std::size_t slot);
  void sort_open();
  void pull_far();
  // What has no end ends with what is not set aside.
  void find_rest() {
    rest_ = aside_ == 0 ? 0 : limit_ >= latest ? aside_ : std::numeric_limits<std::size_t>::max();
  }
  void adapt();
  void rebuild(unsigned width, std::size_t buckets);

  std::uint64_t now_ = 0;
  std::uint64_t order_ = 0;  // of the last event at now_; 0 when none has run at it
  std::uint64_t tickets_ = 0;
  unsigned width_ = 10;  // log2 of a bucket's width in picoseconds
  bool stop_ = false;
  Onlooker* onlooker_ = nullptr;
  std::uint64_t limit_ = 0;  // of the run_before() that is running
  std::uint64_t open_bucket_ =
      0;  // number (time >> width_) of the bucket whose events are in open_
  // The first non-empty bucket after the open one; none_occupied when the wheel is empty. Kept,
  // since the engine asks for the next event more often than a bucket is opened.
  std::uint64_t next_occupied_ = none_occupied;
  std::vector<Event> open_;              // descending: the next event is at the back
  std::vector<std::uint32_t> wheel_;     // bucket -> first node
  std::vector<std::uint64_t> occupied_;  // a bit per bucket
  std::vector<Event> nodes_;
  std::vector<std::uint32_t> next_;  // node -> next node of its bucket, or next free node
  std::uint32_t free_node_ = none;
  std::vector<Event> far_;  // a heap, earliest first: dates beyond the wheel
  std::size_t pending_ = 0;
  std::size_t aside_ = 0;
  std::size_t rest_ = 0;  // so many pending events are as good as none
  std::uint64_t executed_ = 0;
  std::uint64_t buckets_opened_ = 0;  // since the last adaptation
  std::uint64_t executed_at_adapt_ = 0;
  std::uint64_t far_pushed_ = 0;
};

}  // namespace viosim
