// Latencies that tell themselves apart in any sum, and what a request took as a sum of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

#include <fmt/format.h>

#include <string>

namespace viosim::test {

// How often each parameter is spent; no sum of these latencies is another one's.
struct Terms {
  unsigned context = 0, pasid = 0, iotlb = 0, look_ups = 0, reads = 0, updates = 0, faults = 0;
  Ps sum() const {
    return context * 1ns + pasid * 10ns + iotlb * 100ns + look_ups * 1us + reads * 100us +
           updates * 10ms + faults * 1s;
  }
  std::string text() const {
    return fmt::format(
        "{} context + {} PASID + {} IOTLB + {} look-ups + {} reads + {} updates + "
        "{} faults",
        context, pasid, iotlb, look_ups, reads, updates, faults);
  }
};

inline vtd::UnitParams telling(vtd::Mode mode, bool walk_caches = false) {
  vtd::UnitParams params;
  params.mode = mode;
  params.context_cache.latency = 1ns;
  params.pasid_cache.latency = 10ns;
  params.iotlb.latency = 100ns;
  params.walk_caches.latency = 1us;
  params.walk_read = 100us;
  params.walk_update = 10ms;
  params.fault_record = 1s;
  if (walk_caches) {
    for (StageCachesParams* stage : {&params.walk_caches.first, &params.walk_caches.second}) {
      for (WalkCacheParams* level :
           {&stage->level2, &stage->level3, &stage->level4, &stage->level5})
        level->entries = 16;
    }
  }
  return params;
}

inline void check(const LoneIommu::Told& told, const Terms& terms) {
  INFO(terms.text() << "; took " << to_text(told.after));
  CHECK(told.after == terms.sum());
}

}  // namespace viosim::test
