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
    EventKindInfo{EventKind::unmap, "unmap", "Software has removed a mapping, and waited.", "IOVA",
                  "", "number of 4 KiB pages, at most 65535"},
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
    EventKindInfo{EventKind::allocate, "allocate", "A PASID was allocated: a life of it begins.",
                  "lowest number asked for 31:0, highest 63:32",
                  "owner: 0 the kernel itself, or 1 + number of the component",
                  "0 the allocator knows it, 1 it does not"},
    EventKindInfo{EventKind::free, "free", "A PASID was freed, or asked to be.", "",
                  "who asks: 0 the kernel itself, or 1 + number of the component",
                  "0 it is free, 6 its allocator left without it, 115 when others let go "
                  "of it, else the error"},
    EventKindInfo{EventKind::table_write, "table_write", "Software wrote a PASID table entry.",
                  "page table that the function uses first",
                  "requester id 15:0, domain 31:16, PGTT 39:32, device TLB 40, caching mode "
                  "41, PASIDs below 63:42",
                  "1 present, 2 not present, 3 changed, 4 zeroed, 5 all but present"},
    EventKindInfo{EventKind::bind, "bind", "A PASID of a function was bound.",
                  "its user's number for it", "requester id",
                  "1: of a host's PASID, for the guest of this component"},
    EventKindInfo{EventKind::unbind, "unbind", "A PASID of a function is bound no more.",
                  "its user's number for it", "requester id",
                  "1: of a host's PASID, for the guest of this component"},
    EventKindInfo{EventKind::submit, "submit", "Software submitted a descriptor.",
                  "descriptor's high 64 bits", "descriptor's low 64 bits", "descriptor type"},
    EventKindInfo{EventKind::command, "command", "A virtual command was written.", "",
                  "number of the command", "opcode"},
    EventKindInfo{EventKind::command_done, "command_done", "A virtual command has its response.",
                  "", "number of the command", "status code; 0x100: nobody waits for it any more"},
    EventKindInfo{EventKind::page_request, "page_request", "A page request arrived.", "IOVA",
                  "requester id 15:0, group 31:16, last 32, read 33, write 34", ""},
    EventKindInfo{EventKind::respond, "respond", "A page group response was sent.", "",
                  "requester id 15:0, group 31:16", "response code"},
    EventKindInfo{EventKind::group_answered, "group_answered",
                  "A page group response arrived at its function.", "",
                  "requester id 15:0, group 31:16",
                  "0 go on, 1 give up, 2 nobody asked, 3 not taken"},
    EventKindInfo{EventKind::fault, "fault", "A fault was reported.", "IOVA", "requester id",
                  "reason"},
    EventKindInfo{EventKind::plug, "plug", "A function is there.",
                  "page requests that it may have outstanding, 0: no limit is known",
                  "requester id", ""},
    EventKindInfo{EventKind::vanish, "vanish", "A function is not there any more.", "",
                  "requester id", ""},
    EventKindInfo{EventKind::unplug, "unplug", "A kernel has let go of a function.", "",
                  "requester id", ""},
    EventKindInfo{EventKind::reset, "reset", "A function was reset.", "", "requester id", ""},
    EventKindInfo{EventKind::lock_wait, "lock_wait", "A thread got a lock that it had waited for.",
                  "", "", ""},
    EventKindInfo{EventKind::own_numbers, "own_numbers",
                  "A function's PASIDs are its user's own numbers, or the kernel's again.", "",
                  "requester id", "1 its user's, 0 the kernel's"},
    EventKindInfo{EventKind::allocator, "allocator",
                  "The allocator of a vIOMMU was registered with its kernel, or has left.",
                  "number of its group",
                  "who gives numbers now: 0 the kernel itself, or 1 + number of the component",
                  "1 registered, 2 it has left, 3 its kernel shuts down"},
    EventKindInfo{EventKind::viommu, "viommu", "A vIOMMU was taken away, or plugged in again.", "",
                  "", "0 it is gone, 1 it is there"},
    EventKindInfo{EventKind::command_lost, "command_lost",
                  "A virtual command was written where its vIOMMU is not any more.", "", "", ""},
    EventKindInfo{EventKind::id_set, "id_set", "What a set of PASIDs holds, and may.",
                  "number of PASIDs that belong to no set", "PASIDs 31:0, quota 63:32",
                  "0 it is there, 1 it is gone"},
    EventKindInfo{EventKind::vcpu_pasid, "vcpu_pasid",
                  "Processors of a guest turn its PASID into the host's, or do so no more.",
                  "number of the guest's PASID", "", "0 no more, 1 from now on"},
    EventKindInfo{EventKind::second_stage, "second_stage",
                  "A guest's memory has a table of its own in its host.", "its root", "", ""},
    EventKindInfo{EventKind::nested, "nested",
                  "A PASID entry that was made present goes through a second-level table, too.",
                  "its root", "requester id", ""},
};

}  // namespace

std::span<const EventKindInfo> event_kinds() { return kinds; }

std::string_view name_of(EventKind kind) {
  const auto number = static_cast<std::size_t>(kind);
  return number < kinds.size() ? kinds[number].name : "unknown";
}

}  // namespace viosim
