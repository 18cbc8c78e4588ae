// Invalidations that were aborted, since a function did not confirm one in time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace viosim::check {

// I33: each is submitted again, or who asked for it is told. A page group response ahead of an aborted
// wait was sent, and a function that is gone has nothing to forget.
class Aborts {
 public:
  explicit Aborts(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);
  void finish();  // the run is over

 private:
  using Bits = std::pair<std::uint64_t, std::uint64_t>;
  using Due = std::multimap<Bits, Link>;

  void aborted(const TraceEvent& event);
  void taken_care_of(const TraceEvent& event);
  void forgets(const TraceEvent& event);

  Scene& scene_;
  // Functions that have vanished, by machine, and that their kernel has not let go of: it asks no more of
  // them, though they may be there again.
  std::set<std::pair<std::uint32_t, std::uint16_t>> lost_;
  std::map<std::uint32_t, Due> due_;  // by unit
};

}  // namespace viosim::check
