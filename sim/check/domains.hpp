// Which kinds of PASID entry share a domain number, and when it is used anew.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/check/scene.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace viosim::check {

// I36: caches are tagged with the domain, so that what flushes one kind would miss the other; and what
// was tagged with a second level's domain is gone when somebody else gets it. First levels share one.
class Domains {
 public:
  explicit Domains(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Domain = std::pair<std::uint32_t, std::uint16_t>;                 // of a unit
  using Place = std::tuple<std::uint32_t, std::uint16_t, std::uint32_t>;  // unit, source, PASID
  struct Use {
    Domain domain;
    bool second = false;
    Link set;
  };
  // Nobody has it; what was cached for its PASIDs has not been flushed.
  struct Left {
    std::set<std::uint32_t> pasids;
    Link cleared;
  };

  void set(const TraceEvent& event, const EntryWritten& how, const Place& place);
  void leave(const TraceEvent& event, const Place& place);
  void flushed(const TraceEvent& event);

  Scene& scene_;
  std::map<Place, Use> present_;
  // Present entries that go through a second level, and that do not.
  std::map<Domain, std::array<std::uint32_t, 2>> users_;
  std::map<Domain, Left> left_;  // second levels'
};

}  // namespace viosim::check
