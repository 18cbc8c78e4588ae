// Frames for the pages of processes: taken and given back, the last one first.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/error.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace viosim {

class FramePool {
 public:
  // `count` frames of 4 KiB from `base` on, which is theirs alone. In a guest, guest physical.
  FramePool(Hpa base, std::uint64_t count) : next_(base), end_(base + Bytes(count << 12U)) {}

  // None left: nothing.
  std::optional<Hpa> take() {
    ++taken_;
    if (!free_.empty()) {
      const Hpa frame = free_.back();
      free_.pop_back();
      return frame;
    }
    if (next_ < end_) {
      const Hpa frame = next_;
      next_ = next_ + page_4k;
      return frame;
    }
    --taken_;
    return {};
  }
  void give_back(Hpa frame) {
    ensure(taken_ > 0, "a frame is given back that was not taken");
    --taken_;
    free_.push_back(frame);
  }
  std::uint64_t taken() const { return taken_; }

 private:
  Hpa next_;
  Hpa end_;
  std::uint64_t taken_ = 0;
  std::vector<Hpa> free_;
};

}  // namespace viosim
