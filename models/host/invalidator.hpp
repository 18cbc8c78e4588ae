// Software that makes an IOMMU forget translations, whatever the architecture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/invalidation.hpp"

namespace viosim {

class Invalidator {
 public:
  // For actors: gives an order about translations that is one command of the architecture, and
  // returns when software sees that it is done.
  virtual void invalidate_and_wait(const Invalidation& order) = 0;

 protected:
  ~Invalidator() = default;
};

}  // namespace viosim
