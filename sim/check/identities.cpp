// The checks of allocations, frees and uses.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/identities.hpp"

#include "models/iommu/vtd/descriptor.hpp"

#include <fmt/format.h>

namespace viosim::check {
namespace {

constexpr std::uint16_t unknown_number = 2;   // ENOENT
constexpr std::uint16_t foreign_number = 13;  // EACCES
constexpr std::uint32_t pasids = 1U << 20U;

const char* words_of(std::uint16_t how) {
  switch (how) {
    case trace_code::entry_set:
      return "made present";
    case trace_code::entry_cleared:
      return "taken away from a function";
    case trace_code::entry_zeroed:
      return "zeroed in a table";
    default:
      return "written into a table";
  }
}

}  // namespace

void Identities::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::allocate:
      return allocated(event);
    case EventKind::free:
      return freed(event);
    case EventKind::bind:
      if (event.code == trace_code::for_guest) bound_for_guest(event);
      return used(event, "bound");
    case EventKind::unbind:
      return used(event, "unbound");
    case EventKind::page_request:
      return asked(event);
    case EventKind::respond:
      return responded(event);
    case EventKind::submit:
      return submitted(event);
    case EventKind::table_write:
      written(event);
      return used(event, words_of(event.code));
    default:
      return;
  }
}

void Identities::allocated(const TraceEvent& event) {
  const Life* const before = scene_.life(scene_.number_of(event));
  if (before != nullptr && before->live) {
    scene_.violate(Invariant::one_owner, event,
                   fmt::format("PASID {} is allocated while it lives", event.pasid),
                   scene_.roots_of(scene_.number_of(event), before->epoch));
  }
  const auto lowest = static_cast<std::uint32_t>(event.address);
  const auto highest = static_cast<std::uint32_t>(event.address >> 32U);
  if (event.pasid < lowest || event.pasid > highest) {
    scene_.violate(Invariant::in_range, event,
                   fmt::format("PASID {} is allocated where {} to {} was asked for", event.pasid,
                               lowest, highest));
  }
  if (event.code == trace_code::untracked) {
    scene_.violate(
        Invariant::tracked, event,
        fmt::format("PASID {} is allocated, and its allocator does not know it", event.pasid));
  }
  if (event.pasid == 0) scene_.violate(Invariant::reserved_number, event, "PASID 0 is allocated");
  if (event.pasid >= pasids) {
    scene_.violate(Invariant::number_fits, event,
                   fmt::format("PASID {} does not fit 20 bits", event.pasid));
  }
}

void Identities::freed(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  const Life* const life = scene_.life(number);
  const bool done = event.code == 0 || event.code == trace_code::pending;
  if (!done && event.code != unknown_number && event.code != foreign_number) return;
  if (life == nullptr || !life->live) {
    if (scene_.orphan(number)) return;  // its owner does not know
    scene_.violate(Invariant::one_free, event,
                   fmt::format("PASID {} is freed, and is nobody's", event.pasid));
    return;
  }
  if (life->owner != event.value) {
    scene_.violate(Invariant::own_free, event,
                   fmt::format("PASID {} of {} is freed by {}", event.pasid,
                               scene_.owner_name(life->owner, number.machine),
                               scene_.owner_name(event.value, number.machine)));
  } else if (life->pending && event.code == trace_code::pending) {
    scene_.violate(Invariant::one_free, event, fmt::format("PASID {} is freed twice", event.pasid));
  }
}

// What the kernel itself allocated may be for a guest, by an interface that does not say so.
void Identities::bound_for_guest(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  const Life* const life = scene_.life(number);
  if (life == nullptr || !life->live || life->owner == 0 || scene_.orphan(number)) return;
  const auto owner = static_cast<std::uint32_t>(life->owner - 1);
  if (scene_.machine_of(owner) == scene_.machine_of(event.component)) return;
  scene_.violate(
      Invariant::own_free, event,
      fmt::format("PASID {} of {} is bound for {}", event.pasid,
                  scene_.owner_name(life->owner, number.machine), scene_.path(event.component)));
}

// When a function's entry was taken away, for as long as it is not present.
void Identities::written(const TraceEvent& event) {
  const EntryWritten how = EntryWritten::decode(event.value);
  const EntryPlace entry{scene_.number_of(event).machine, how.source, event.pasid};
  if (event.code == trace_code::entry_cleared) taken_away_[entry] = event.time;
  if (event.code != trace_code::entry_set) return;
  taken_away_.erase(entry);
  if (how.pasid_limit == 0 || event.pasid < how.pasid_limit) return;
  scene_.violate(Invariant::number_fits, event,
                 fmt::format("PASID {} is made present for a function whose PASIDs are below {}",
                             event.pasid, how.pasid_limit));
}

// A function that nobody has stopped asks as long as it likes, and has to be told that it gets nothing. What one has
// sent that vanished nobody can wait for.
void Identities::asked(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  if (event.code == trace_code::has_pasid_zero) {
    scene_.violate(Invariant::reserved_number, event,
                   fmt::format("function {} asks for a page with PASID 0, which stands for "
                               "requests that have none",
                               requester(bits.source)));
  }
  const Number number = scene_.number_of(event);
  const Group group{scene_.machine_of(event.component), bits.source, bits.group};
  const std::int64_t sent = event.time - event.duration;
  const Life* const life = scene_.life(number);
  const std::int64_t* const away = taken_away_.find({number.machine, bits.source, number.pasid});
  const bool nobodys = life == nullptr || (!life->live && sent >= life->ended);
  const bool vanished = scene_.vanished_since(group.machine, bits.source, sent);
  if (nobodys || vanished || (away != nullptr && sent >= *away))
    for_nobody_.insert(group);
  else
    for_nobody_.erase(group);
}

void Identities::submitted(const TraceEvent& event) {
  constexpr auto page_response = static_cast<std::uint16_t>(vtd::DescriptorType::page_response);
  if (event.code == page_response) {
    const vtd::Descriptor order = vtd::Descriptor::decode(event.value, event.address);
    const Group group{scene_.machine_of(event.component), order.source.value(), order.group};
    if (order.code != PageResponseCode::success && for_nobody_.contains(group)) return;
  }
  used(event, "named by a descriptor");
}

void Identities::responded(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const Group group{scene_.machine_of(event.component), bits.source, bits.group};
  const bool for_nobody = for_nobody_.erase(group) != 0;
  if (event.code == 0 || !for_nobody) used(event, "answered for");
}

void Identities::used(const TraceEvent& event, const char* what) {
  if (event.pasid == 0) return;  // of requests without one
  const Number number = scene_.number_of(event);
  const Life* const life = scene_.life(number);
  if (life == nullptr) {
    if (!scene_.allocates(number.machine)) return;
    scene_.violate(Invariant::use_of_live, event,
                   fmt::format("PASID {} is {}, and was never allocated", event.pasid, what));
    return;
  }
  // Of orphans that were given out again nobody knows which life is meant.
  if (life->live || scene_.orphan(number)) return;
  scene_.violate(Invariant::use_of_live, event,
                 fmt::format("PASID {} is {}, and was freed", event.pasid, what));
}

}  // namespace viosim::check
