// From request to response to the function that asked.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/page_groups.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim::check {
namespace {

constexpr std::uint16_t failure = 0xf;  // response code

}  // namespace

void PageGroups::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::page_request:
      return requested(event);
    case EventKind::request_dropped:
      return dropped(event);
    case EventKind::group_taken:
      return taken(event);
    case EventKind::respond:
      return responded(event);
    case EventKind::group_answered:
      return answered(event);
    case EventKind::allocate:
      return number_begins(event);
    case EventKind::plug: {
      const Name function{scene_.machine_of(event.component),
                          static_cast<std::uint16_t>(event.value), 0};
      function_of(function).credits = static_cast<std::uint32_t>(event.address);
      return;
    }
    case EventKind::reset:
    case EventKind::vanish:
      return function_forgets(
          {scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value), 0},
          event.time);
    default:
      return;
  }
}

void PageGroups::requested(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  if (bits.stop_marker()) return;
  const Name name{scene_.machine_of(event.component), bits.source, bits.group};
  const auto known = groups_.find(name);
  if (known != groups_.end() && known->second.forgotten) close(known);
  Group& group = groups_[name];
  Function& function = function_of(name);
  if (event.time - event.duration <= function.forgot) {  // it was on its way then
    group.forgotten = true;
    return;
  }
  if (group.whole) {
    scene_.violate(Invariant::credits, event,
                   fmt::format("function {:04x} uses group {} again, which waits for its response",
                               bits.source, bits.group));
    return;
  }
  if (group.requests++ == 0) {
    group.first = event;
    by_pasid_.insert({name.machine, event.pasid, name});
  }
  group.whole = bits.last;
  if (++function.outstanding > function.credits && function.credits != 0) {
    scene_.violate(Invariant::credits, event,
                   fmt::format("function {:04x} has {} page requests outstanding, and may have {}",
                               bits.source, function.outstanding, function.credits));
  }
}

void PageGroups::dropped(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const auto found = groups_.find({scene_.machine_of(event.component), bits.source, bits.group});
  if (found != groups_.end()) ++found->second.dropped;
}

// What was left of a group that an overflow has cut off must not come back in another one.
void PageGroups::taken(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const auto found = groups_.find({scene_.machine_of(event.component), bits.source, bits.group});
  if (found == groups_.end() || found->second.forgotten) return;
  const Group& group = found->second;
  const std::uint32_t whole = group.requests - group.dropped;
  if (event.address <= whole) return;
  scene_.violate(Invariant::whole_groups, event, scene_.number_of(event), group.first.epoch,
                 fmt::format("group {} of function {:04x} is taken with {} requests, and has {}",
                             bits.group, bits.source, event.address, whole));
}

void PageGroups::responded(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const Name name{scene_.machine_of(event.component), bits.source, bits.group};
  const auto found = groups_.find(name);
  if (found != groups_.end() && found->second.forgotten) return;
  const auto complain = [&](std::uint32_t epoch, const char* why) {
    scene_.violate(
        Invariant::answer_to_group, event, scene_.number_of(event), epoch,
        fmt::format("a response to group {} of function {:04x}, {}", bits.group, bits.source, why));
  };
  if (found == groups_.end()) {
    // What vanished has forgotten its groups, and whoever answers them may not know it yet.
    const auto function = functions_.find({name.machine, name.source, 0});
    if (function != functions_.end()) complain(event.epoch, "which waits for none");
    return;
  }
  Group& group = found->second;
  if (!group.whole) {
    scene_.violate(Invariant::whole_groups, event, scene_.number_of(event), group.first.epoch,
                   fmt::format("group {} of function {:04x} gets a response, and its last request "
                               "has not come",
                               bits.group, bits.source));
  }
  if (group.responded) {
    complain(group.first.epoch, "which has one");
  } else if (group.first.pasid != event.pasid) {
    complain(group.first.epoch, "which is of another PASID");
  } else if (group.first.epoch != event.epoch) {
    complain(group.first.epoch, "which is of an earlier life of its PASID");
  }
  group.responded = true;
  group.failed = event.code == failure;
}

// PCIe 10.4.2.1: by a failure the function's page requests are disabled, and it waits for none.
void PageGroups::answered(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const auto found = groups_.find({scene_.machine_of(event.component), bits.source, bits.group});
  constexpr std::uint16_t taken = 1;  // it went on, or gave up
  if (found == groups_.end() || event.code > taken) return;
  if (found->second.failed)
    function_forgets({found->first.machine, bits.source, 0}, event.time);
  else
    close(found);
}

void PageGroups::close(Groups::iterator group) {
  if (!group->second.forgotten) function_of(group->first).outstanding -= group->second.requests;
  by_pasid_.erase({group->first.machine, group->second.first.pasid, group->first});
  groups_.erase(group);
}

void PageGroups::number_begins(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  for (auto at = by_pasid_.lower_bound({machine, event.pasid, {}});
       at != by_pasid_.end() && at->machine == machine && at->pasid == event.pasid; ++at) {
    const Name& name = at->group;
    const Group& group = groups_.at(name);
    if (group.forgotten || group.first.epoch == event.epoch) continue;
    scene_.violate(Invariant::no_old_requests, event, scene_.number_of(event), group.first.epoch,
                   fmt::format("PASID {} is allocated again while group {} of function {:04x} "
                               "waits in its last life",
                               event.pasid, name.group, name.source));
  }
}

void PageGroups::function_forgets(const Name& function, std::int64_t now) {
  function_of(function).outstanding = 0;
  function_of(function).forgot = now;
  for (auto at = groups_.lower_bound(function);
       at != groups_.end() && at->first.machine == function.machine &&
       at->first.source == function.source;
       ++at)
    at->second.forgotten = true;
}

void PageGroups::finish() {
  for (const auto& [name, group] : groups_) {
    if (group.forgotten || !group.whole) continue;
    scene_.violate(
        Invariant::every_answer, group.first,
        fmt::format("group {} of function {:04x} was never answered", name.group, name.source));
  }
}

}  // namespace viosim::check
