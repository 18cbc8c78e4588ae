// Functions whose PASIDs are a guest's own numbers, which mean nothing to the host's kernel.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace viosim::check {

// By iommufd a guest that has a whole function puts its numbers into that function's PASID table. What
// is told of them would be held against the host's PASID of the same number.
class PrivateNumbers {
 public:
  explicit PrivateNumbers(const Scene& scene) : scene_(scene) {}
  // Whether the event is about such a number. Learns from it, so each event is asked about once.
  bool concerns(const TraceEvent& event);

 private:
  using Key = std::pair<std::uint32_t, std::uint16_t>;

  void own(const TraceEvent& event);
  bool is_of(const TraceEvent& event, std::uint16_t source) const;
  bool written(const TraceEvent& event);
  bool described(const TraceEvent& event) const;

  const Scene& scene_;
  std::set<Key> functions_;                            // machine, requester
  std::set<Key> domains_;                              // unit, domain: of their entries
  std::map<std::uint32_t, std::uint16_t> requesters_;  // of the components of functions
};

}  // namespace viosim::check
