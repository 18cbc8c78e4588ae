// The table of event kinds.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"

#include <array>

namespace viosim {
namespace {

constexpr std::array kinds = {
    EventKindInfo{EventKind::translate, "translate", "A device's request got its answer.", "IOVA",
                  "host physical address", "0 hit, 1 miss, 2 no access, 0x100 + reason: fault"},
    EventKindInfo{EventKind::invalidate, "invalidate", "An invalidation descriptor was executed.",
                  "descriptor's high 64 bits", "descriptor's low 64 bits", "descriptor type"},
    EventKindInfo{EventKind::map, "map", "Software mapped pages.", "IOVA", "host physical address",
                  "number of 4 KiB pages, at most 65535"},
    EventKindInfo{EventKind::unmap, "unmap", "Software removed a mapping.", "IOVA", "",
                  "number of 4 KiB pages, at most 65535"},
    EventKindInfo{EventKind::look_up, "look_up",
                  "A request passed the caches of an IOMMU and missed.", "IOVA",
                  "number of the miss", "requester id"},
    EventKindInfo{EventKind::wait, "wait",
                  "A miss had waited for a walker, or for another walk of its page.", "IOVA",
                  "number of the miss", "requester id"},
    EventKindInfo{EventKind::walk, "walk", "A walk ended.", "IOVA", "number of the miss",
                  "requester id"},
    EventKindInfo{
        EventKind::answer, "answer",
        "The answer to a miss left the IOMMU: a fault had been recorded, or the IOTLB asked "
        "again.",
        "IOVA", "number of the miss", "requester id"},
    EventKindInfo{EventKind::device_look_up, "device_look_up",
                  "A function looked a request up in its own TLB.", "IOVA",
                  "number of the function's request", "requester id"},
    EventKindInfo{EventKind::translation, "translation",
                  "A translation request came back to its function.", "IOVA",
                  "number of the function's request", "requester id"},
    EventKindInfo{EventKind::taken_up, "taken_up", "A translation was taken up, and used.", "IOVA",
                  "number of the function's request", "requester id"},
    EventKindInfo{EventKind::page, "page", "A page had been waited for.", "IOVA",
                  "number of the function's request", "requester id"},
    EventKindInfo{EventKind::transfer, "transfer",
                  "A request had gone to memory and come back, or was refused there.", "IOVA",
                  "number of the function's request", "requester id"},
    EventKindInfo{EventKind::action, "action",
                  "An event of the scenario has acted on this component.", "",
                  "number of the event in the scenario", ""},
};

}  // namespace

std::span<const EventKindInfo> event_kinds() { return kinds; }

}  // namespace viosim
