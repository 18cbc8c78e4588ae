// Which kinds of PASID entry share a domain number, and when it is used anew.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/check/by_number.hpp"
#include "sim/check/scene.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>

namespace viosim::check {

// I36: caches are tagged with the domain, so that what flushes one kind would miss the other; with domain
// and PASID, so that entries which have both the same have to lead to the same table; and what
// was tagged with a second level's domain is gone when somebody else gets it. First levels share one.
class Domains {
 public:
  explicit Domains(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Domain = OfUnit;
  using Place = EntryPlace;
  struct Use {
    Domain domain;
    std::uint8_t type = 0;
    std::uint64_t table = 0;
    Link set;
    bool tagged = true;  // in `tagged_`
    bool second() const;
  };
  // Nobody has it; what was cached for its PASIDs has not been flushed.
  struct Left {
    std::set<std::uint32_t> pasids;
    Link cleared;
  };

  // Of entries that have one tag: what the last of them leads to.
  struct Tagged {
    Use use;
    std::uint32_t entries = 0;
  };

  void set(const TraceEvent& event, const EntryWritten& how, const Place& place);
  void tag(const TraceEvent& event, const Use& use);
  void untag(const Place& place, Use& use);
  void leave(const TraceEvent& event, const Place& place);
  void flushed(const TraceEvent& event);
  void forget(const TraceEvent& event);

  Scene& scene_;
  ByNumber<std::uint32_t> drivers_;  // of units: the components that write entries
  FlatMap<Place, Use> present_;
  // Present entries that go through a second level, and that do not.
  FlatMap<Domain, std::array<std::uint32_t, 2>> users_;
  FlatMap<EntryPlace, Tagged> tagged_;  // by unit, domain and PASID
  std::map<Domain, Left> left_;         // second levels'
};

}  // namespace viosim::check
