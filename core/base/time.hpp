// Simulated time: integer picoseconds. Instants and durations are different types.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace viosim {

using namespace std::chrono_literals;

// A length of simulated time. 12ns, 3us and friends convert implicitly and exactly.
using Ps = std::chrono::duration<std::int64_t, std::pico>;

// A point of simulated time: picoseconds since the start of the run.
class Instant {
 public:
  constexpr Instant() = default;
  explicit constexpr Instant(Ps since_start) : since_start_(since_start) {}

  // The last instant that the engine can represent: SimGrid keeps its clock in a double, exact up
  // to 2^53. At one picosecond a tick that is 2.5 hours of simulated time.
  static constexpr Instant latest() { return Instant(Ps(std::int64_t{1} << 53)); }

  constexpr Ps since_start() const { return since_start_; }
  constexpr std::int64_t ps() const { return since_start_.count(); }

  friend constexpr Instant operator+(Instant at, Ps by) { return Instant(at.since_start_ + by); }
  friend constexpr Instant operator-(Instant at, Ps by) { return Instant(at.since_start_ - by); }
  friend constexpr Ps operator-(Instant to, Instant from) {
    return to.since_start_ - from.since_start_;
  }
  constexpr Instant& operator+=(Ps by) { return *this = *this + by; }
  constexpr auto operator<=>(const Instant&) const = default;

 private:
  Ps since_start_{0};
};

// "287 ns", "1.5 us", "12 ps": the largest unit that keeps at most `digits` digits after the point;
// trailing zeros are dropped. Exact when digits is 12.
std::string format_time(Ps time, int digits = 3);

}  // namespace viosim
