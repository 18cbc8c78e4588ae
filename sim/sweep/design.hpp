// The points of a sweep: what each axis is at each of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/sweep.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// What one axis is at one point.
struct Level {
  std::string text;              // "16", "31.6 ns", the name of a variant
  std::optional<double> number;  // in base units (number_in()); none: it is no quantity
  Settings set;
  bool operator==(const Level&) const = default;
};

class Design {
 public:
  // Throws ConfigError, of `file`: axes that cannot be zipped, more runs than there may be.
  Design(const Sweep& sweep, const std::string& file);

  std::uint64_t points() const { return points_; }
  // One level for each axis, in the order of the axes.
  std::vector<Level> point(std::uint64_t number) const;

  // Values that an axis has one by one; none for a range without `count`.
  std::optional<std::uint64_t> level_count(std::size_t axis) const { return counts_[axis]; }
  Level level(std::size_t axis, std::uint64_t number) const;

 private:
  void draw(const Sweep& sweep);
  void count_grid(const std::string& file);
  void count_zipped(const std::string& file);
  Level drawn_level(std::size_t axis, std::uint64_t point) const;

  // What an axis of a drawn design is at each point: either of them.
  struct Draws {
    std::vector<std::uint64_t> numbers;  // for level()
    std::vector<double> shares;          // in [0, 1)
  };

  const std::vector<AxisConfig>& axes_;
  DesignKind kind_;
  std::vector<std::optional<std::uint64_t>> counts_;
  std::uint64_t points_ = 1;
  std::vector<Draws> draws_;  // by axis; none: the design is not drawn
};

}  // namespace viosim
