// Which kinds of PASID entry share a domain number.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

namespace viosim::check {

// I36: caches are tagged with the domain, so that what flushes one kind would miss the other.
class Domains {
 public:
  explicit Domains(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Domain = std::pair<std::uint32_t, std::uint16_t>;  // of a unit
  struct Use {
    Domain domain;
    bool second = false;
  };
  using Place = std::tuple<std::uint32_t, std::uint16_t, std::uint32_t>;  // unit, source, PASID

  void leave(const Place& place);

  Scene& scene_;
  std::map<Place, Use> present_;
  // Present entries that go through a second level, and that do not.
  std::map<Domain, std::array<std::uint32_t, 2>> users_;
};

}  // namespace viosim::check
