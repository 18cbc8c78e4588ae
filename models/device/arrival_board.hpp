// When each of many sources acts next: a tree of minima, sixteen children a node.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace viosim {

// Unlike a heap, it is not kept sorted: a window of time takes out everything that lies in it,
// source by source, and looks only at the nodes whose minimum lies in the window. Setting one
// source costs a step per level.
class ArrivalBoard {
 public:
  static constexpr std::uint64_t idle = std::numeric_limits<std::uint64_t>::max();

  // Adds a source, idle.
  void add() {
    if (levels_.empty()) levels_.emplace_back();
    if (size_ == levels_[0].size()) grow();
    ++size_;
  }

  std::uint64_t earliest() const { return earliest_; }
  std::uint64_t of(std::size_t source) const { return levels_[0][source]; }

  void set(std::size_t source, std::uint64_t time) {
    levels_[0][source] = time;
    std::uint64_t lowest = time;
    for (std::size_t level = 0; level + 1 < levels_.size(); ++level) {
      source /= fan_out;
      lowest = block_minimum(level, source);
      levels_[level + 1][source] = lowest;
    }
    earliest_ = block_minimum(levels_.size() - 1, 0);
  }

  // Calls act(source, time) for every source whose time lies before `end`; it returns the source's
  // next time, at or after `end`. Sources are visited in ascending order. act() does not call the
  // board.
  template <class Act>
  void drain_before(std::uint64_t end, Act&& act) {
    earliest_ = drain(levels_.size() - 1, 0, end, act);
  }

 private:
  static constexpr std::size_t fan_out = 16;

  std::uint64_t block_minimum(std::size_t level, std::size_t block) const {
    const std::uint64_t* child = levels_[level].data() + block * fan_out;
    std::uint64_t lowest = child[0];
    for (std::size_t i = 1; i < fan_out; ++i) lowest = std::min(lowest, child[i]);
    return lowest;
  }

  template <class Act>
  std::uint64_t drain(std::size_t level, std::size_t block, std::uint64_t end, Act& act) {
    std::uint64_t* child = levels_[level].data() + block * fan_out;
    std::uint64_t lowest = idle;
    for (std::size_t i = 0; i < fan_out; ++i) {
      if (child[i] < end) {
        const std::size_t number = block * fan_out + i;
        child[i] = level == 0 ? act(number, child[i]) : drain(level - 1, number, end, act);
      }
      lowest = std::min(lowest, child[i]);
    }
    return lowest;
  }

  // Appends a block of leaves and whatever is needed above it.
  void grow() {
    levels_[0].resize(levels_[0].size() + fan_out, idle);
    std::size_t blocks = levels_[0].size() / fan_out;
    for (std::size_t level = 1; blocks > 1; ++level) {
      if (level == levels_.size()) levels_.emplace_back();
      levels_[level].resize((blocks + fan_out - 1) / fan_out * fan_out, idle);
      // A level that is new summarises what was below it.
      for (std::size_t block = 0; block < blocks; ++block)
        levels_[level][block] = block_minimum(level - 1, block);
      blocks = (blocks + fan_out - 1) / fan_out;
    }
  }

  std::vector<std::vector<std::uint64_t>> levels_;  // [0]: the sources
  std::size_t size_ = 0;
  std::uint64_t earliest_ = idle;
};

}  // namespace viosim
