// What becomes of one page response of a host, the first one from an instant on.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/injection.hpp"
#include "tests/support/software_rig.hpp"

#include <utility>

namespace viosim::test {

struct OneResponse final : Injector {
  explicit OneResponse(SoftwareRig& its_rig, Ruling its_ruling, Instant its_from = Instant(250us))
      : rig(its_rig), ruling(its_ruling), from(its_from) {
    rig.unit.hardware.queue().injection.connect(*this, 0);
  }
  Ruling ask(InjectionPoint point, std::uint32_t /*component*/, Pasid /*pasid*/,
             StepSet /*later*/) override {
    if (point != InjectionPoint(Message::page_response) || rig.rig.engine.now() < from) return {};
    return std::exchange(done, true) ? Ruling{} : ruling;
  }
  SoftwareRig& rig;
  Ruling ruling;
  Instant from;
  bool done = false;
};

}  // namespace viosim::test
