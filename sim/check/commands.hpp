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

// Of I34 that events that are written when they happen come in the order of time.
class TraceOrder {
 public:
  explicit TraceOrder(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  Scene& scene_;
  std::int64_t last_ = 0;
};

}  // namespace viosim::check
