// Software that makes an IOMMU forget translations, whatever the architecture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/invalidation.hpp"
#include "models/iommu/request.hpp"

#include <span>

namespace viosim {

// Functions that keep translations of their own of what an order is about, by requests with this
// PASID or without one.
struct DeviceTlbs {
  std::span<const Bdf> functions;
  Pasid pasid = no_pasid;
};

class Invalidator {
 public:
  // For actors: gives an order about translations that is one command of the architecture, then to
  // device TLBs (which could refill from a stale IOTLB before), and returns when software sees that
  // all of it is done.
  virtual void invalidate_and_wait(const Invalidation& order, const DeviceTlbs& devices) = 0;

 protected:
  ~Invalidator() = default;
};

}  // namespace viosim
