// How fast a run goes on, and how long it will still take.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace viosim {

// Looks at the last seconds only: caches that fill and tables that grow make the beginning of a run a
// bad measure of its rest.
class Pace {
 public:
  using Seconds = std::chrono::duration<double>;

  // `at` counts from the start; `share`, from 0 to 1, is what is done of the whole work.
  void add(Seconds at, double share, std::uint64_t count);

  double per_second() const;            // of what was counted
  std::optional<Seconds> left() const;  // unknown before there is something to go by

 private:
  struct Sample {
    Seconds at;
    double share;
    std::uint64_t count;
  };
  std::deque<Sample> samples_;
};

// "40 s", "4 min", "2 h 10 min", "3 days": no more exact than an estimate is.
std::string rough_duration(Pace::Seconds duration);

}  // namespace viosim
