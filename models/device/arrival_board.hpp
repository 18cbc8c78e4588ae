// When each of many sources acts next: a wheel of buckets.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace viosim {

// Unlike a heap, it is not kept sorted: a window of time takes out everything that lies in it,
// bucket by bucket. A source later than the wheel reaches waits in the wheel's last bucket and is
// put in its place when that one comes up. The width of a bucket adapts so that a bucket holds a
// few sources, and the wheel is not turned for long where nobody acts; what is answered does not depend on it.
class ArrivalBoard {
 public:
  static constexpr std::size_t stages = 3;

  static constexpr std::uint64_t idle = std::numeric_limits<std::uint64_t>::max();

  // Adds a source, idle.
  void add() {
    sources_.push_back({});
    if (sources_.size() == few + 1 || sources_.size() * 2 > wheel_.size())
      rebuild(width_, std::max(wheel_.size() * 2, smallest_wheel));
  }

  std::uint64_t earliest() const { return earliest_; }
  std::uint64_t of(std::size_t source) const { return sources_[source].time; }

  void set(std::size_t source, std::uint64_t time) {
    const auto number = static_cast<std::uint32_t>(source);
    const std::uint64_t before = sources_[number].time;
    if (sources_.size() <= few) {
      sources_[number].time = time;
      if (time <= earliest_) {
        earliest_ = time;
      } else if (before == earliest_) {
        earliest_ = idle;
        for (const Source& each : sources_) earliest_ = std::min(earliest_, each.time);
      }
      return;
    }
    if (before != idle) unlink(number);
    sources_[number].time = time;
    if (time < earliest_) {
      earliest_ = time;
      base_ = time >> width_;
    }
    place(number);
    if (before == earliest_ && time > before) find_earliest();
  }

  // Calls act(source, time) for every source whose time lies before `end`; it returns the source's
  // next time, at or after `end`. The order of the sources is the same in every run, and no other.
  // act() does not call the board. soon(source, stage) is called for sources that will probably act soon:
  // a chance to fetch what they need, in stages 0, 1 ... with other sources between, since what a later
  // one needs is found by what an earlier one has fetched.
  template <class Act, class Soon>
  void drain_before(std::uint64_t end, Act&& act, Soon&& soon) {
    if (sources_.size() <= few) {
      earliest_ = idle;
      for (std::uint32_t source = 0; source < sources_.size(); ++source) {
        std::uint64_t& time = sources_[source].time;
        if (time < end) time = act(source, time);
        earliest_ = std::min(earliest_, time);
      }
      return;
    }
    while (earliest_ < end) {
      scout(soon);
      take(base_);
      const std::size_t count = due_.size();
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t stage = 0; stage < stages; ++stage) {
          const std::size_t ahead = i + prefetch_distance * (stages - stage);
          if (ahead < count) soon(due_[ahead], stage);
        }
        const std::uint32_t source = due_[i];
        std::uint64_t& time = sources_[source].time;
        if (time < end) time = act(source, time);
        place(source);
      }
      taken_ += count;
      if (++opened_ >= adapt_every || taken_ >= adapt_at_) [[unlikely]]
        adapt();
      find_earliest();
    }
  }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  // Small, as is a bucket: with ten thousand sources, both are to stay in the nearer caches of the machine
  // we run on.
  struct Source {
    std::uint64_t time = idle;
    std::uint32_t next = none;
    std::uint32_t before =
        none;  // the one before it, or, of the first, `first_of | slot` of its bucket
  };
  static constexpr std::uint32_t first_of = std::uint32_t{1} << 31U;
  static constexpr std::size_t few = 16;
  static constexpr std::size_t smallest_wheel = 64;
  static constexpr std::size_t prefetch_distance = 6;
  static constexpr std::uint64_t scout_buckets = 3;  // from one stage to the next
  static constexpr std::uint64_t adapt_every = 1024;
  static constexpr unsigned widest = 48;  // the smallest wheel then reaches past 2^53 ps
  static constexpr unsigned most_turns = 8;
  static constexpr std::uint64_t longest_rest = 64;

  std::size_t slot_of(std::uint64_t bucket) const { return bucket & (wheel_.size() - 1); }

  // Links an unlinked source into its bucket. No source is earlier than base_.
  void place(std::uint32_t number) {
    Source& source = sources_[number];
    if (source.time == idle) return;
    const std::uint64_t bucket = std::min(source.time >> width_, base_ + wheel_.size() - 1);
    const std::size_t slot = slot_of(bucket);
    source.before = first_of | static_cast<std::uint32_t>(slot);
    source.next = wheel_[slot];
    if (source.next != none) sources_[source.next].before = number;
    wheel_[slot] = number;
    occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }

  void unlink(std::uint32_t number) {
    const Source& source = sources_[number];
    if (source.next != none) sources_[source.next].before = source.before;
    if ((source.before & first_of) == 0) {
      sources_[source.before].next = source.next;
      return;
    }
    const std::size_t slot = source.before & ~first_of;
    wheel_[slot] = source.next;
    if (source.next == none) vacate(slot);
  }

  // Announces the sources of the buckets that come up next, once.
  template <class Soon>
  void scout(Soon& soon) {
    for (std::size_t stage = 0; stage < stages; ++stage) {
      const std::uint64_t end = base_ + 1 + scout_buckets * (stages - stage);
      for (std::uint64_t bucket = std::max(scouted_[stage], base_ + 1); bucket < end; ++bucket) {
        std::uint32_t source = wheel_[slot_of(bucket)];
        for (unsigned i = 0; i < prefetch_distance && source != none; ++i) {
          soon(source, stage);
          source = sources_[source].next;
        }
      }
      scouted_[stage] = end;
    }
  }

  void vacate(std::size_t slot) { occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64)); }

  // Moves a bucket's sources to due_.
  void take(std::uint64_t bucket) {
    const std::size_t slot = slot_of(bucket);
    due_.clear();
    for (std::uint32_t source = wheel_[slot]; source != none; source = sources_[source].next)
      due_.push_back(source);
    wheel_[slot] = none;
    vacate(slot);
  }

  // Sets earliest_, and base_ to its bucket. A bucket may hold sources of later turns of the wheel.
  void find_earliest() {
    earliest_ = idle;
    unsigned turns = 0;  // of the wheel, in which nothing was found
    while (const std::uint64_t* word = first_occupied()) {
      const auto at = static_cast<std::size_t>(word - occupied_.data());
      const std::size_t start = slot_of(base_);
      const std::uint64_t bits = at == start / 64 && *word >> (start % 64) != 0
                                     ? *word >> (start % 64) << (start % 64)
                                     : *word;
      const std::size_t slot = at * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      base_ += (slot - start) & (wheel_.size() - 1);
      for (std::uint32_t each = wheel_[slot]; each != none; each = sources_[each].next)
        earliest_ = std::min(earliest_, sources_[each].time);
      if (earliest_ >> width_ == base_) return;
      earliest_ = idle;
      if (++turns == most_turns) [[unlikely]] {
        turns = 0;
        leap();
        continue;
      }
      take(base_);
      for (const std::uint32_t source : due_) place(source);
      postponed_ += due_.size();
    }
  }

  // The word of the bitmap with the first occupied slot at or after base_, round the wheel; null
  // when there is none.
  const std::uint64_t* first_occupied() const {
    const std::size_t start = slot_of(base_);
    const std::size_t words = occupied_.size();
    if (occupied_[start / 64] >> (start % 64) != 0) return &occupied_[start / 64];
    for (std::size_t i = 1; i <= words; ++i) {
      const std::uint64_t& word = occupied_[(start / 64 + i) & (words - 1)];
      if (word != 0) return &word;
    }
    return nullptr;
  }

  // Beyond a time in which nobody acts. A leap costs a step for each source and each bucket: where fewer
  // have acted since the last one, leaps are the rule and buckets too narrow; but a long burst before it
  // says that they fit, and the next one will find them so.
  void leap() {
    const bool are_the_rule = taken_ - leapt_at_ < sources_.size() + wheel_.size();
    leapt_at_ = taken_;
    if (are_the_rule) {
      widen();
    } else {
      rebuild(width_, wheel_.size());
    }
  }

  // Narrower buckets when they are crowded, wider ones when the wheel's reach is too short. A step is taken
  // at once in the direction of the last one. Not to and fro: where one was taken back, which a load does
  // that is too crowded in wide buckets and out of reach with narrow ones, the next narrowing waits twice as long.
  void adapt() {
    const std::uint64_t taken = taken_ - adapted_at_;
    const bool crowded = taken > 4 * opened_;
    const bool short_of_reach = postponed_ * 4 > taken;
    ++adaptations_;
    opened_ = postponed_ = 0;
    adapted_at_ = taken_;
    adapt_at_ = taken_ + 16 * adapt_every + wheel_.size();  // sooner where they are crowded
    if (short_of_reach) {
      widen();
    } else if (crowded && width_ > 0 && adaptations_ >= narrow_after_) {
      if (narrowed_) rest_ = 1;
      narrowed_ = true;
      rebuild(width_ - 1, wheel_.size());
    }
  }

  void widen() {
    if (narrowed_) rest_ = std::min(2 * rest_, longest_rest);
    narrowed_ = false;
    narrow_after_ = adaptations_ + rest_;
    rebuild(std::min(width_ + 1, widest), wheel_.size());
  }

  void rebuild(unsigned width, std::size_t buckets) {
    width_ = width;
    wheel_.assign(buckets, none);
    occupied_.assign(buckets / 64, 0);
    base_ = idle >> width_;
    scouted_ = {};
    for (const Source& source : sources_) base_ = std::min(base_, source.time >> width_);
    for (std::uint32_t source = 0; source < sources_.size(); ++source) place(source);
  }

  std::vector<Source> sources_;
  std::vector<std::uint32_t> wheel_;     // bucket -> first source
  std::vector<std::uint64_t> occupied_;  // a bit per bucket
  std::vector<std::uint32_t> due_;
  std::uint64_t earliest_ = idle;
  std::array<std::uint64_t, stages> scouted_{};  // sources of earlier buckets were announced
  std::uint64_t base_ = 0;  // a bucket that no source precedes: that of earliest_
  unsigned width_ = 10;     // log2 of a bucket's width in picoseconds
  // Since the last adaptation: buckets taken out, and sources that waited for the wheel's next turn.
  std::uint64_t opened_ = 0;
  std::uint64_t postponed_ = 0;
  std::uint64_t taken_ =
      0;  // sources out of buckets, since the beginning; at the last adaptation, ...
  std::uint64_t adapted_at_ = 0;
  std::uint64_t adapt_at_ = 16 * adapt_every;
  std::uint64_t leapt_at_ = 0;
  std::uint64_t adaptations_ = 0;
  std::uint64_t narrow_after_ = 0;
  std::uint64_t rest_ = 1;  // adaptations after a widening before a narrowing
  bool narrowed_ = false;   // by the last step
};

}  // namespace viosim
