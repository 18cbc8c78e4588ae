// Virtual commands, and the order of the trace itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>

namespace viosim::check {

// I18 and, of what is outstanding, I19: by vIOMMU, what was written and not answered.
class Commands {
 public:
  explicit Commands(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  void presence(const TraceEvent& event);

  Scene& scene_;
  std::map<std::uint32_t, Link> outstanding_;  // by component
};

// Of I34 that events come in the order of time, but for parts of requests. The answer to a request that
// hits is told when the request arrives, with the time at which it will be complete: so what comes next
// may be before it.
class TraceOrder {
 public:
  explicit TraceOrder(Scene& scene) : scene_(scene) {}
  // Whether others look at the event or not: a comparison, where nothing is wrong.
  void observe(const TraceEvent& event) {
    if (event.duration < 0 || event.time < last_) [[unlikely]]
      return violated(event);
    if (event.kind != static_cast<std::uint16_t>(EventKind::translate)) last_ = event.time;
  }

 private:
  void violated(const TraceEvent& event);
  Scene& scene_;
  std::int64_t last_ = 0;
};

}  // namespace viosim::check
