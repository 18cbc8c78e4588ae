// PASID entries whose faults are not reported.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>

namespace viosim::check {

// I35, of requests that come after an entry was taken away with FPD set, and its flushes: what an exited
// process left behind in a function. They are refused, and nobody is told.
class QuietEntries {
 public:
  explicit QuietEntries(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);
  bool wants_requests() const { return !quiet_.empty(); }

 private:
  using Place = EntryPlace;  // by machine

  void written(const TraceEvent& event);
  const Link* quiet_since(const Place& place, const TraceEvent& request) const;
  void reported(const TraceEvent& fault);
  void used(const TraceEvent& request);

  Scene& scene_;
  FlatMap<Place, Link> quiet_;
  FlatMap<std::uint32_t, std::uint16_t> requesters_;  // of the components of functions
};

}  // namespace viosim::check
