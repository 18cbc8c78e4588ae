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
  struct Host {
    std::map<std::uint32_t, std::uint64_t> quotas;  // of its sets
    std::uint64_t all = 0;                          // their sum
  };
  std::map<std::uint32_t, Host> hosts_;
};

}  // namespace viosim::check
