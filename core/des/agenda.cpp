// The wheel of buckets and the heap of far dates.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/agenda.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

constexpr std::size_t smallest_wheel = std::size_t{1} << 11;
constexpr std::size_t largest_wheel = std::size_t{1} << 16;
constexpr unsigned narrowest = 4;                // 16 ps
constexpr unsigned widest = 24;                  // 16.8 us
constexpr std::uint64_t adapt_every = 1U << 14;  // buckets opened between two looks at the density

constexpr auto later = [](const auto& a, const auto& b) { return b < a; };

}  // namespace

TimeLimitError::TimeLimitError(std::string_view what)
    : std::runtime_error(fmt::format(
          "{} would come after {} (2^53 ps), the last instant that can be represented exactly",
          what, format_time(Instant::latest().since_start(), 12))) {}

Agenda::Agenda() : wheel_(smallest_wheel, none), occupied_(smallest_wheel / 64) {}

void Agenda::refuse(Instant at) const {
  ensure(at > Instant::latest(), "an event was scheduled in the past");
  throw TimeLimitError("an event of the hardware");
}

std::uint32_t Agenda::grow_nodes() {
  const std::size_t old_size = nodes_.size();
  const std::size_t new_size = std::max<std::size_t>(64, old_size * 2);
  nodes_.resize(new_size);
  next_.resize(new_size);
  for (std::size_t node = new_size; node-- > old_size;) {
    next_[node] = free_node_;
    free_node_ = static_cast<std::uint32_t>(node);
  }
  return free_node_;
}

void Agenda::insert_into_open(Event event) {
  open_.push_back(event);
  for (std::size_t i = open_.size() - 1; i > 0 && open_[i - 1] < open_[i]; --i) {
    std::swap(open_[i - 1], open_[i]);
  }
}

void Agenda::push_far(Event event) {
  ++far_pushed_;
  far_.push_back(event);
  std::push_heap(far_.begin(), far_.end(), later);
}

// The number of the first non-empty bucket after the open one; none_occupied when the wheel is
// empty.
std::uint64_t Agenda::find_occupied() const {
  const std::size_t mask = wheel_.size() - 1;
  const std::size_t start = (open_bucket_ + 1) & mask;
  const std::size_t words = occupied_.size();
  std::uint64_t word = occupied_[start / 64] & (~std::uint64_t{0} << (start % 64));
  for (std::size_t i = 0; i <= words; ++i) {
    const std::size_t at = (start / 64 + i) & (words - 1);
    if (i > 0) word = occupied_[at];
    if (word != 0) {
      const std::size_t slot = at * 64 + static_cast<std::size_t>(std::countr_zero(word));
      return open_bucket_ + 1 + ((slot - start) & mask);
    }
  }
  return none_occupied;
}

void Agenda::take_bucket(std::size_t slot) {
  std::uint32_t node = wheel_[slot];
  wheel_[slot] = none;
  occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  while (node != none) {
    open_.push_back(nodes_[node]);
    const std::uint32_t following = next_[node];
    next_[node] = free_node_;
    free_node_ = node;
    node = following;
  }
}

// Buckets hold a few events; when one holds many, a real sort.
void Agenda::sort_open() {
  constexpr std::size_t few = 24;
  if (open_.size() > few) {
    std::sort(open_.begin(), open_.end(), later);
    return;
  }
  for (std::size_t i = 1; i < open_.size(); ++i) {
    const Event event = open_[i];
    std::size_t j = i;
    for (; j > 0 && open_[j - 1] < event; --j) open_[j] = open_[j - 1];
    open_[j] = event;
  }
}

// Moves events that the wheel now reaches out of the heap.
void Agenda::pull_far() {
  while (!far_.empty() && (far_.front().time >> width_) - open_bucket_ < wheel_.size()) {
    const Event event = far_.front();
    std::pop_heap(far_.begin(), far_.end(), later);
    far_.pop_back();
    const std::uint64_t bucket = event.time >> width_;
    if (bucket == open_bucket_) {
      open_.push_back(event);
    } else {
      link(bucket, event);
    }
  }
}

// Opens the next bucket that holds an event, unless it begins at `limit` or later: an open bucket
// far ahead would collect all that software schedules before it.
bool Agenda::open_next_bucket(std::uint64_t limit) {
  if (pending_ == rest_) return false;
  if (buckets_opened_ >= adapt_every) [[unlikely]] {
    adapt();
    if (!open_.empty()) return true;
  }
  std::uint64_t bucket = next_occupied_;
  if (!far_.empty()) bucket = std::min(bucket, far_.front().time >> width_);
  if (bucket == none_occupied || bucket << width_ >= limit) return false;
  open_bucket_ = bucket;
  take_bucket(bucket & (wheel_.size() - 1));
  const bool wheel_empty = pending_ == open_.size() + far_.size();
  next_occupied_ = wheel_empty ? none_occupied : find_occupied();
  if (!far_.empty()) pull_far();
  if (open_.size() > 1) sort_open();
  ++buckets_opened_;
  return true;
}

void Agenda::software_acts_at(Instant at) {
  ensure(at >= now(), "software acted before a hardware event that has run");
  if (at > now()) order_ = 0;
  now_ = static_cast<std::uint64_t>(at.ps());
  // Keep the wheel's reach ahead of now; every pending event lies at or after it.
  if (open_.empty())
    open_bucket_ = std::max(open_bucket_, std::max<std::uint64_t>(now_ >> width_, 1) - 1);
}

// Looks without opening a bucket: what is scheduled meanwhile may come before it.
Instant Agenda::next() const {
  if (pending_ == 0) return Instant::latest() + Ps(1);
  std::uint64_t earliest = ~std::uint64_t{0};
  if (!open_.empty()) {
    earliest = open_.back().time;
  } else {
    if (next_occupied_ != none_occupied) {
      for (std::uint32_t node = wheel_[next_occupied_ & (wheel_.size() - 1)]; node != none;
           node = next_[node]) {
        earliest = std::min(earliest, nodes_[node].time);
      }
    }
    if (!far_.empty()) earliest = std::min(earliest, far_.front().time);
  }
  return Instant(Ps(static_cast<std::int64_t>(earliest)));
}

bool Agenda::run_before(Instant end) {
  limit_ = static_cast<std::uint64_t>(end.ps());
  stop_ = false;
  find_rest();
  for (;;) {
    while (!open_.empty()) {
      const Event event = open_.back();
      if (event.time >= limit_ || pending_ == rest_) return false;
      open_.pop_back();
      --pending_;
      ++executed_;
      now_ = event.time;
      order_ = event.order;
      event.handler->fire(event.what);
      if (stop_) return true;
    }
    if (onlooker_ != nullptr && onlooker_->asked()) [[unlikely]]
      onlooker_->answer(now());
    if (!open_next_bucket(limit_)) return false;
  }
}

// Aims at one to four events per opened bucket, with a wheel long enough that few events go to the
// heap.
void Agenda::adapt() {
  const std::uint64_t events = executed_ - executed_at_adapt_;
  const bool crowded = events > 4 * buckets_opened_;
  const bool sparse = events * 2 < buckets_opened_ * 3;
  const bool reaches_far = far_pushed_ * 8 > events;
  executed_at_adapt_ = executed_;
  buckets_opened_ = far_pushed_ = 0;
  if (crowded && width_ > narrowest) {
    rebuild(width_ - 1, std::min(wheel_.size() * 2, largest_wheel));
  } else if (reaches_far && sparse && width_ < widest) {
    rebuild(width_ + 1, wheel_.size());
  } else if (reaches_far && wheel_.size() < largest_wheel) {
    rebuild(width_, wheel_.size() * 2);
  }
}

void Agenda::rebuild(unsigned width, std::size_t buckets) {
  std::vector<Event> all = std::move(far_);
  far_.clear();
  for (std::size_t slot = 0; slot < wheel_.size(); ++slot) {
    for (std::uint32_t node = wheel_[slot]; node != none; node = next_[node])
      all.push_back(nodes_[node]);
  }
  nodes_.clear();
  next_.clear();
  free_node_ = none;
  wheel_.assign(buckets, none);
  occupied_.assign(buckets / 64, 0);
  next_occupied_ = none_occupied;
  // Everything in the open bucket has run; the new one starts at the same instant or earlier.
  open_bucket_ = now_ >> width;
  width_ = width;
  pending_ -= all.size();
  for (const Event& event : all) place(event);
  far_pushed_ = 0;
}

}  // namespace viosim
