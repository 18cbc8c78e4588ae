// What the walk makes of a request, with nothing in any cache and memory that stays as it is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/architecture.hpp"
#include "models/iommu/walk.hpp"
#include "tests/support/dumb_walk.hpp"

namespace viosim::test {

// `line(Hpa)`: the 64 bytes there. Updates are counted, and taken for done.
template <class LineAt>
WalkOutcome walk_of(LineAt line, vtd::Mode mode, Hpa root, const Request& request) {
  const vtd::VtdArchitecture architecture(mode, root);
  Walk walk;
  walk.begin(architecture, request, nullptr, nullptr, false);
  WalkOutcome outcome;
  while (walk.step() == WalkStep::read || walk.step() == WalkStep::update) {
    if (walk.step() == WalkStep::update) {
      ++outcome.updates;
      walk.pages().updated(true);
      walk.moved();
    } else {
      ++outcome.reads;
      walk.advance(line(walk.next_read()));
    }
  }
  if (walk.step() == WalkStep::faulted) {
    outcome.fault = static_cast<unsigned>(walk.fault());
    outcome.silenced = walk.fault_silenced();
  } else {
    const Translation& to = walk.translation();
    const bool privileged = walk.request().privileged;
    outcome.address = to.address(request.iova).value();
    outcome.level = to.level;
    outcome.rights = (to.rights.can_read(privileged) ? 1U : 0U) |
                     (to.rights.can_write(privileged) ? 2U : 0U) |
                     (to.rights.can_execute(privileged) ? 4U : 0U);
  }
  return outcome;
}

}  // namespace viosim::test
