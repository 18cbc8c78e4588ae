// Descriptors of guests: what their vIOMMUs are told, and when they say that it is done.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/by_number.hpp"
#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace viosim::check {

// I31. An entry is announced when its vIOMMU has done what a flush of the PASID cache asks for.
class Announcements {
 public:
  explicit Announcements(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  struct Unannounced {
    std::uint16_t domain = 0;
    Link set;
  };

  bool is_guest(std::uint32_t machine) const { return scene_.host_of(machine) != machine; }
  void done(const TraceEvent& event, std::uint32_t machine);
  void written(const TraceEvent& event, std::uint32_t machine);
  void bound(const TraceEvent& event, std::uint32_t machine);

  Scene& scene_;
  ByNumber<std::vector<Link>> under_way_;  // by component
  ByNumber<std::uint8_t> tell_;  // machines; traces of older programs do not tell of descriptors
  FlatMap<EntryPlace, Unannounced> unannounced_;
};

}  // namespace viosim::check
