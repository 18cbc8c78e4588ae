// Where page requests go, and who knows when all of them are through.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "models/iommu/drain.hpp"
#include "models/pcie/ats.hpp"

#include <cstdint>

namespace viosim::vtd {

// A page request queue, to the rest of its IOMMU.
class PageRequestPath {
 public:
  // Leaves its function now.
  virtual void request_page(const PageRequest& request) = 0;
  // True: no page request is on its way. Otherwise `client` is told when all that are now have
  // arrived (VT-d 3.x, 7.11 "Software Steps to Drain Page Requests").
  virtual bool drain(DrainClient& client, std::uint64_t cookie) = 0;
  // When the last answer that hardware gave to one arrives at its function.
  virtual Instant answers_arrive() const { return {}; }

 protected:
  ~PageRequestPath() = default;
};

}  // namespace viosim::vtd
