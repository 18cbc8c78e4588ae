// Who has which PASID: allocations, frees, and uses of numbers that are nobody's.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

namespace viosim::check {

// I1 to I6, I23, I24. Keeps nothing but the lives in the scene.
class Identities {
 public:
  explicit Identities(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  void allocated(const TraceEvent& event);
  void freed(const TraceEvent& event);
  void bound_for_guest(const TraceEvent& event);
  void used(const TraceEvent& event, const char* what);

  Scene& scene_;
};

}  // namespace viosim::check
