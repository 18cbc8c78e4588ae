// Who has which PASID: allocations, frees, and uses of numbers that are nobody's.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <compare>
#include <cstdint>
#include <set>

namespace viosim::check {

// I1 to I6, I23, I24. Besides the lives in the scene, it keeps when entries were taken away, and which
// groups of page requests ask for a number that was nobody's, or had no entry, when they were sent.
class Identities {
 public:
  explicit Identities(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  void allocated(const TraceEvent& event);
  void freed(const TraceEvent& event);
  void bound_for_guest(const TraceEvent& event);
  void written(const TraceEvent& event);
  void asked(const TraceEvent& event);
  void submitted(const TraceEvent& event);
  void responded(const TraceEvent& event);
  void used(const TraceEvent& event, const char* what);

  struct Group {
    std::uint32_t machine = 0;
    std::uint16_t source = 0;
    std::uint16_t group = 0;
    auto operator<=>(const Group&) const = default;
  };
  Scene& scene_;
  FlatMap<EntryPlace, std::int64_t> taken_away_;  // entries, by machine: when
  std::set<Group> for_nobody_;
};

}  // namespace viosim::check
