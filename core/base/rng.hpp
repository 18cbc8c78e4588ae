// Random numbers that are the same on every machine: one seed, and an independent stream for each
// component path.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace viosim {

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
// 2014): eight bytes of state, passes BigCrush, and any 64-bit seed is a good one. The streams of
// two paths differ in their starting point.
class Rng {
 public:
  Rng(std::uint64_t seed, std::string_view path);

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  // Uniform in [0, bound); bound > 0. The bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Product = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Product>(next()) * bound) >> 64U);
  }

 private:
  std::uint64_t state_;
};

}  // namespace viosim
