// How an IOMMU is made to forget.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/flush.hpp"

#include "models/host/invalidator.hpp"

namespace viosim {

std::vector<Act> FlushIommus::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (const IommuControl& iommu : targets.iommus(flush, where / "flush")) {
    acts.push_back(Act::always(iommu.component, [to = iommu.invalidator] {
      Invalidation order;
      order.scope = Invalidation::Scope::all;
      to->invalidate_and_wait(order, {});
    }));
  }
  return acts;
}

}  // namespace viosim
