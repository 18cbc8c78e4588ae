// In which order locks are taken.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace viosim::check {

// I32: who waits for whom is no circle. It need not have come to a deadlock: two orders are enough.
class LockOrder {
 public:
  explicit LockOrder(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  // From one to the other, each taken under the one before; empty: there is none.
  std::vector<std::uint32_t> way(std::uint32_t from, std::uint32_t to) const;

  Scene& scene_;
  std::map<std::uint32_t, std::map<std::uint32_t, Link>> taken_under_it_;  // components
};

}  // namespace viosim::check
