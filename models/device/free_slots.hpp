// When the request slots of a queue become free.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>

namespace viosim {

// The instants at which a device's request slots become free, earliest first. Up to two slots lie
// within the object.
class FreeSlots {
 public:
  FreeSlots(std::uint32_t slots, Instant at)
      : mask_(std::bit_ceil(slots) - 1),
        size_(slots),
        slots_(slots),
        many_(slots > few ? std::make_unique<std::uint64_t[]>(std::bit_ceil(slots)) : nullptr) {
    std::fill_n(times(), slots, static_cast<std::uint64_t>(at.ps()));
  }
  bool empty() const { return size_ == 0; }
  bool all() const { return size_ == slots_; }  // not one is in use for an unknown time
  // Those that are not free at `at`.
  std::uint32_t in_use(std::uint64_t at) const {
    std::uint32_t used = slots_ - size_;
    for (std::uint32_t i = 0; i < size_; ++i) used += times()[(head_ + i) & mask_] > at ? 1 : 0;
    return used;
  }
  std::uint64_t earliest() const { return times()[head_]; }
  std::uint64_t latest() const { return times()[(head_ + size_ - 1) & mask_]; }
  void take() {
    head_ = (head_ + 1) & mask_;
    --size_;
  }
  // Almost always the latest so far.
  void give_back(std::uint64_t time) {
    std::uint64_t* const all = times();
    std::uint32_t at = (head_ + size_) & mask_;
    for (std::uint32_t before = size_; before > 0; --before) {
      const std::uint32_t previous = (at - 1) & mask_;
      if (all[previous] <= time) break;
      all[at] = all[previous];
      at = previous;
    }
    all[at] = time;
    ++size_;
  }

 private:
  static constexpr std::uint32_t few = 2;
  std::uint64_t* times() { return mask_ < few ? inside_.data() : many_.get(); }
  const std::uint64_t* times() const { return mask_ < few ? inside_.data() : many_.get(); }

  std::uint32_t head_ = 0;
  std::uint32_t mask_;
  std::uint32_t size_;
  std::uint32_t slots_;
  std::array<std::uint64_t, few> inside_{};
  std::unique_ptr<std::uint64_t[]> many_;
};

}  // namespace viosim
