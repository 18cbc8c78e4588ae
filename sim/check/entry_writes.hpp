// How PASID entries are written.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <tuple>

namespace viosim::check {

// I25: hardware may read an entry at any time, and finds one that is whole.
class EntryWrites {
 public:
  explicit EntryWrites(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Place = std::tuple<std::uint32_t, std::uint16_t, std::uint32_t>;  // unit, function, PASID
  enum class State : std::uint8_t { not_written, fields_written, present };

  void forget(const TraceEvent& viommu);

  Scene& scene_;
  std::map<Place, State> entries_;
  std::map<std::uint32_t, std::uint32_t> drivers_;  // who writes the tables of each unit
  std::set<std::uint32_t> tells_fields_;            // units; traces of older programs do not tell
};

}  // namespace viosim::check
