// Sets of PASIDs: what each may hold, and holds.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>

namespace viosim::check {

// I21. A set is its component's.
class Quotas {
 public:
  explicit Quotas(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  Scene& scene_;
  // By the host that the sets are of: quotas.
  std::map<std::uint32_t, std::map<std::uint32_t, std::uint64_t>> quotas_;
};

}  // namespace viosim::check
