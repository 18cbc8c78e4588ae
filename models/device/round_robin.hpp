// Which of a function's work queues issues next: those that may take turns.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace viosim {

// A queue that takes part may issue from an instant on (picoseconds). Those whose instant has come
// are bits; the others wait in a list in the order of time, at the end of which most are added, since
// what was issued later comes back later. A queue that takes no part is one bit.
class RoundRobin {
 public:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();

  explicit RoundRobin(std::uint32_t queues) : may_((queues + 63) / 64) {}

  bool empty() const { return ready_ == 0 && first_ == waiting_.size(); }
  // Takes part from `at` on. It takes no part so far.
  void add(std::uint32_t queue, std::uint64_t at) {
    if (first_ == waiting_.size() || waiting_.back().at <= at)
      return waiting_.push_back({at, queue});
    const auto later = [](std::uint64_t time, const Waiting& each) { return time < each.at; };
    waiting_.insert(std::upper_bound(begin(), waiting_.end(), at, later), {at, queue});
  }
  // Takes no part any more, if it did.
  void remove(std::uint32_t queue) {
    if (const std::uint64_t bit = bit_of(queue); (may_[queue / 64] & bit) != 0) {
      may_[queue / 64] &= ~bit;
      --ready_;
    }
    const auto found = std::find_if(begin(), waiting_.end(),
                                    [&](const Waiting& each) { return each.queue == queue; });
    if (found != waiting_.end()) waiting_.erase(found);
  }
  void clear() {
    std::fill(may_.begin(), may_.end(), 0);
    waiting_.clear();
    first_ = 0;
    ready_ = 0;
  }

  // No queue may issue before this; some may at it, or, where it is 0, since the last turn.
  std::uint64_t earliest() const {
    if (ready_ != 0) return 0;
    return first_ == waiting_.size() ? never : waiting_[first_].at;
  }
  // The turn at `at`, which is not before the last turn. Who gets it takes no part until it is added
  // again; neither do those of which may(queue) is false, over whom the turn passes as if they had not
  // been there. `nobody` when none is left.
  template <class May>
  std::uint32_t take(std::uint64_t at, May&& may) {
    for (; first_ < waiting_.size() && waiting_[first_].at <= at; ++first_) {
      may_[waiting_[first_].queue / 64] |= bit_of(waiting_[first_].queue);
      ++ready_;
    }
    if (first_ >= enough_to_forget && first_ >= waiting_.size() / 2) {
      waiting_.erase(waiting_.begin(), begin());
      first_ = 0;
    }
    while (ready_ != 0) {
      const std::uint32_t queue = after(last_);
      may_[queue / 64] &= ~bit_of(queue);
      --ready_;
      if (!may(queue)) continue;
      last_ = queue;
      return queue;
    }
    return nobody;
  }

 private:
  struct Waiting {
    std::uint64_t at;
    std::uint32_t queue;
  };
  static constexpr std::size_t enough_to_forget = 16;
  std::vector<Waiting>::iterator begin() {
    return waiting_.begin() + static_cast<std::ptrdiff_t>(first_);
  }
  static std::uint64_t bit_of(std::uint32_t queue) { return std::uint64_t{1} << (queue % 64); }

  // The first set bit behind that of `queue`, round to itself.
  std::uint32_t after(std::uint32_t queue) const {
    const std::size_t words = may_.size();
    const std::size_t start = queue / 64;
    const std::uint64_t behind = queue % 64 == 63 ? 0 : ~std::uint64_t{0} << (queue % 64 + 1);
    if (const std::uint64_t bits = may_[start] & behind; bits != 0) return number(start, bits);
    for (std::size_t i = 1; i < words; ++i) {
      const std::size_t word = (start + i) % words;
      if (may_[word] != 0) return number(word, may_[word]);
    }
    return number(start, may_[start]);
  }
  static std::uint32_t number(std::size_t word, std::uint64_t bits) {
    return static_cast<std::uint32_t>(word * 64) +
           static_cast<std::uint32_t>(std::countr_zero(bits));
  }

  std::vector<std::uint64_t> may_;
  std::vector<Waiting> waiting_;  // from first_ on
  std::size_t first_ = 0;
  std::uint32_t ready_ = 0;  // bits in may_
  std::uint32_t last_ = static_cast<std::uint32_t>(may_.size() * 64 - 1);
};

}  // namespace viosim
