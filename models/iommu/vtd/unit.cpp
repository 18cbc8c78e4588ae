// Putting the parts of a VT-d IOMMU together.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/unit.hpp"

#include <utility>

namespace viosim::vtd {

Unit::Unit(std::string path, const UnitParams& params, std::uint32_t number, Agenda& agenda,
           PhysicalMemory& memory, std::uint64_t seed)
    : params_(params),
      tables_(memory, params.mode),
      architecture_(params.mode, tables_.root()),
      iommu_(std::move(path), params, architecture_, number, agenda, memory, seed),
      queue_(params.invalidation, params.mode == Mode::scalable, number, agenda, memory, iommu_),
      page_requests_(params.page_requests, number, agenda, memory, iommu_) {}

void Unit::invalidated(Bdf /*source*/, std::uint32_t /*tags*/) {
  fail_internal("a function answered an invalidation, and this IOMMU sends none");
}

}  // namespace viosim::vtd
