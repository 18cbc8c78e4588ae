// The table of event kinds.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"

#include <array>

namespace viosim {
namespace {

constexpr std::array kinds = {
    EventKindInfo{EventKind::translate, "translate", "A device's request got its answer.", "IOVA",
                  "host physical address", "0 hit, 1 miss, else the fault reason"},
    EventKindInfo{EventKind::invalidate, "invalidate", "An invalidation descriptor was executed.",
                  "address", "descriptor's low 64 bits", "descriptor type"},
    EventKindInfo{EventKind::map, "map", "Software mapped pages.", "IOVA", "host physical address",
                  "log2 of the number of 4 KiB pages"},
    EventKindInfo{EventKind::unmap, "unmap", "Software removed a mapping.", "IOVA", "",
                  "log2 of the number of 4 KiB pages"},
    EventKindInfo{EventKind::fault, "fault", "The IOMMU recorded a fault.", "IOVA", "",
                  "fault reason"},
};

}  // namespace

std::span<const EventKindInfo> event_kinds() { return kinds; }

}  // namespace viosim
