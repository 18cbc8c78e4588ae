// The table of invariants.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/invariants.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <array>

namespace viosim::check {
namespace {

constexpr std::array table = {
    InvariantInfo{Invariant::one_owner, "A PASID that lives is not allocated again.",
                  "double allocation"},
    InvariantInfo{Invariant::in_range, "An allocated PASID is within the range asked for.",
                  "range ignored by an allocator"},
    InvariantInfo{Invariant::tracked, "An allocated PASID is known to its allocator.",
                  "a number that was given out and not tracked"},
    InvariantInfo{Invariant::own_free,
                  "A PASID is freed, and bound for a guest, by its owner only.",
                  "freeing a foreign PASID"},
    InvariantInfo{Invariant::one_free, "A PASID is freed while it lives, and once.", "double free"},
    InvariantInfo{Invariant::use_of_live,
                  "Nothing is bound, written or flushed for a PASID that was freed.",
                  "use after free"},
    InvariantInfo{Invariant::free_unbound, "A PASID that is freed is present in no PASID table.",
                  "free while bound"},
    InvariantInfo{Invariant::clean_reuse,
                  "When a PASID is allocated again, no cache may hold what was of its last life.",
                  "stale translations after reuse of a number"},
    InvariantInfo{Invariant::no_old_requests,
                  "When a PASID is allocated again, no page request of its last life is under way.",
                  "unbinding without draining page requests"},
    InvariantInfo{Invariant::answer_to_group,
                  "A page group response goes to a group that waits for it, in the same life of "
                  "its PASID, and there is one.",
                  "response to a dead group"},
    InvariantInfo{Invariant::every_answer, "Every page request group is answered.",
                  "lost response"},
    InvariantInfo{Invariant::credits,
                  "A function has no more page requests outstanding than it may, and no group "
                  "index twice.",
                  "credit overrun, reuse of an index"},
    InvariantInfo{Invariant::whole_groups,
                  "A page group response is to a whole group, and of nothing that an overflow cut "
                  "off.",
                  "handling of an overflow"},
    InvariantInfo{Invariant::active_is_there,
                  "The allocator that serves a kernel is registered with it.",
                  "removal of the head of a group"},
    InvariantInfo{Invariant::empty_switch,
                  "An allocator with others' numbers takes over only when no PASID lives.",
                  "switch with live ids, orphans"},
    InvariantInfo{Invariant::late_allocator,
                  "No allocator takes over from the kernel itself while PASIDs of it live.",
                  "late registration"},
    InvariantInfo{Invariant::registered_once, "An allocator is registered once at a time.",
                  "double registration"},
    InvariantInfo{Invariant::one_command,
                  "A vIOMMU has one virtual command outstanding, and answers what was written.",
                  "race of virtual commands, stale response"},
    InvariantInfo{Invariant::idle_eject,
                  "A vIOMMU that is taken away has no command outstanding, and its kernel sends "
                  "none to it once it knows.",
                  "removal with a command outstanding"},
    InvariantInfo{Invariant::nothing_left,
                  "When a kernel has let go of a function, no PASID of it is present.",
                  "surprise removal"},
    InvariantInfo{Invariant::within_quota,
                  "A set holds as many PASIDs as live of it, and no more than its quota; quotas "
                  "fit what there is.",
                  "quota overrun, leak after an error"},
    InvariantInfo{Invariant::same_numbers,
                  "A guest that gets its PASIDs from the host has those that the host has for it.",
                  "leak, orphan"},
    InvariantInfo{Invariant::reserved_number, "PASID 0 is never allocated.",
                  "misuse of a reserved PASID"},
    InvariantInfo{Invariant::number_fits,
                  "A PASID that is made present is below what the function and its IOMMU have.",
                  "overrun of a PASID table"},
    InvariantInfo{Invariant::whole_entry,
                  "A PASID entry becomes present when all else of it is written, and is not "
                  "written anew while it is.",
                  "torn read of a PASID entry"},
    InvariantInfo{Invariant::flush_before_reuse,
                  "What a PASID entry led to is flushed everywhere before the entry, or its "
                  "number, is used again.",
                  "missing or undersized flush"},
    InvariantInfo{Invariant::flush_order,
                  "Caches are flushed in the order PASID cache, IOTLB, device TLB.",
                  "refill from a cache that is stale"},
    InvariantInfo{Invariant::no_stale_use,
                  "No request issued after software has waited for its flushes uses what was "
                  "unmapped.",
                  "use of a stale translation"},
    InvariantInfo{Invariant::own_second_stage,
                  "What a guest binds is nested over its own memory, and its slice of a function "
                  "uses nothing else.",
                  "leak between guests"},
    InvariantInfo{Invariant::cpu_translation,
                  "Processors turn one PASID of a guest into one of the host, and none into a "
                  "freed one.",
                  "stale PASID translation, one number behind two"},
    InvariantInfo{Invariant::announced,
                  "A vIOMMU is told of an entry before it is used, and says that a wait is over "
                  "when all ahead of it is done.",
                  "early completion of a wait"},
    InvariantInfo{Invariant::lock_order, "Locks are taken in one order.", "deadlock"},
    InvariantInfo{Invariant::aborts_seen,
                  "What an invalidation time-out aborted is submitted again, or reported.",
                  "lost invalidation"},
    InvariantInfo{
        Invariant::trace_order,
        "What happens now is not before what happened, and what a host has begun is ended "
        "when the run is over.",
        "trace integrity, leak"},
    InvariantInfo{Invariant::quiet_fault,
                  "Where faults are not to be reported requests are refused in silence.",
                  "silent success after an exit"},
    InvariantInfo{
        Invariant::domain_kinds,
        "Entries with a second level and entries without share no domain, and a PASID in a "
        "domain has one table.",
        "over- or under-flush through a shared tag"},
};

}  // namespace

std::span<const InvariantInfo> invariants() { return table; }

const InvariantInfo& info_of(Invariant invariant) {
  const auto found = std::find_if(table.begin(), table.end(), [=](const InvariantInfo& info) {
    return info.invariant == invariant;
  });
  ensure(found != table.end(), "an invariant is not in the table");
  return *found;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  all.reserve(table.size());
  for (const InvariantInfo& info : table) all.push_back(name_of(info.invariant));
  return all;
}

std::string name_of(Invariant invariant) {
  return 'I' + std::to_string(static_cast<unsigned>(invariant));
}

}  // namespace viosim::check
