// From request to response to the function that asked.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/page_groups.hpp"

#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

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
    case EventKind::table_write:
      if (event.code != trace_code::entry_set) return;
      return scene_.is_space(scene_.number_of(event).machine) ? number_begins(event) : void();
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

void PageGroups::complain(Invariant invariant, const TraceEvent& at, const Number& number,
                          const Group& group, std::string message, bool overdue) {
  scene_.violate(at, {.invariant = invariant,
                      .number = number,
                      .epoch = group.first.epoch,
                      .message = std::move(message),
                      .evidence = group.story.links(),
                      .overdue = overdue,
                      .alone = true});
}

// Of what is in a group and does not belong there: the group that was there last under its index is where
// it may have come from.
void PageGroups::complain_of_remains(const TraceEvent& at, const Name& name, const Group& group,
                                     std::string message) {
  std::vector<Link> evidence = last_closed(name);
  const std::vector<Link>& its = group.story.links();
  evidence.insert(evidence.end(), its.begin(), its.end());
  scene_.violate(at, {.invariant = Invariant::whole_groups,
                      .number = scene_.number_of(at),
                      .epoch = group.first.epoch,
                      .message = std::move(message),
                      .evidence = std::move(evidence),
                      .alone = true});
}

std::vector<Link> PageGroups::last_closed(const Name& name) const {
  const Function* const function = functions_.find({name.machine, name.source});
  if (function == nullptr) return {};
  const auto& closed = function->closed;
  const auto last = std::find_if(closed.rbegin(), closed.rend(),
                                 [&](const auto& one) { return one.first == name.group; });
  return last == closed.rend() ? std::vector<Link>() : last->second.links();
}

void PageGroups::requested(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  if (bits.stop_marker()) return;
  const Name name{scene_.machine_of(event.component), bits.source, bits.group};
  const Group* const known = groups_.find(name);
  if (known != nullptr && known->forgotten) close(name);
  Group& group = groups_[name];
  Function& function = function_of(name);
  if (event.time - event.duration <= function.forgot) {  // it was on its way then
    group.forgotten = true;
    return;
  }
  if (group.whole) {
    group.blamed = true;
    complain(Invariant::credits, event, scene_.number_of(event), group,
             fmt::format("function {} uses group {} again, which waits for its response",
                         requester(bits.source), bits.group));
    return;
  }
  if (group.requests++ == 0) {
    group.first = event;
    group.number = scene_.number_of(event);
    by_pasid_[group.number].push_back(name);
  }
  group.story.add(scene_.link(event));
  group.whole = bits.closes_group();
  if (++function.outstanding > function.credits && function.credits != 0) {
    scene_.violate(Invariant::credits, event,
                   fmt::format("function {} has {} page requests outstanding, and may have {}",
                               requester(bits.source), function.outstanding, function.credits));
  }
}

void PageGroups::dropped(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  Group* const found = groups_.find({scene_.machine_of(event.component), bits.source, bits.group});
  if (found == nullptr) return;
  ++found->dropped;
  found->story.add(scene_.link(event));
}

// What was left of a group that an overflow has cut off must not come back in another one.
void PageGroups::taken(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const Name name{scene_.machine_of(event.component), bits.source, bits.group};
  Group* const found = groups_.find(name);
  if (found == nullptr || found->forgotten) return;
  Group& group = *found;
  const std::uint32_t whole = group.requests - group.dropped;
  if (event.address > whole) {
    complain_of_remains(event, name, group,
                        fmt::format("group {} of function {} is taken with {} requests, and has {}",
                                    bits.group, requester(bits.source), event.address, whole));
  }
  group.story.add(scene_.link(event));
}

void PageGroups::responded(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const Name name{scene_.machine_of(event.component), bits.source, bits.group};
  Group* const found = groups_.find(name);
  if (found != nullptr && found->forgotten) return;
  const auto message = [&](const char* why) {
    return fmt::format("a response to group {} of function {}, {}", bits.group,
                       requester(bits.source), why);
  };
  if (found == nullptr) return responded_to_none(event, name, message("which waits for none"));
  Group& group = *found;
  const Number number = scene_.number_of(event);
  if (!group.whole) {
    complain_of_remains(event, name, group,
                        fmt::format("group {} of function {} gets a response, and its last request "
                                    "has not come",
                                    bits.group, requester(bits.source)));
  }
  const char* wrong = nullptr;
  if (group.responded)
    wrong = "which has one";
  else if (group.first.pasid != event.pasid)
    wrong = "which is of another PASID";
  else if (group.number == number && group.first.epoch != event.epoch)
    wrong = "which is of an earlier life of its PASID";
  if (wrong != nullptr) {
    group.blamed = true;
    complain(Invariant::answer_to_group, event, number, group, message(wrong));
  }
  group.responded = true;
  group.failed = event.code == failure;
  group.story.add(scene_.link(event));
}

// What vanished has forgotten its groups, and whoever answers them may not know it yet. The group that
// was there last under this name is what the response may be meant for.
void PageGroups::responded_to_none(const TraceEvent& event, const Name& name, std::string message) {
  if (!functions_.contains({name.machine, name.source})) return;
  scene_.violate(event, {.invariant = Invariant::answer_to_group,
                         .number = scene_.number_of(event),
                         .epoch = event.epoch,
                         .message = std::move(message),
                         .evidence = last_closed(name),
                         .alone = true});
}

// PCIe, page request interface: by a response failure the function's page requests are disabled, and it
// waits for none.
void PageGroups::answered(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const Name name{scene_.machine_of(event.component), bits.source, bits.group};
  Group* const found = groups_.find(name);
  constexpr std::uint16_t taken = 1;  // it went on, or gave up
  constexpr std::uint16_t nobody_asked = 2;
  constexpr std::uint16_t not_waited_for = 4;
  if (found == nullptr) return;
  Group& group = *found;
  group.story.add(scene_.link(event));
  if (event.code == not_waited_for) return group_forgotten(name, group);
  if (event.code == nobody_asked && !group.forgotten && !group.blamed) {
    group.blamed = true;
    complain(Invariant::answer_to_group, event, scene_.number_of(event), group,
             fmt::format("a response to group {} of function {} is none to the function: what it "
                         "asked for waits on",
                         bits.group, requester(bits.source)));
  }
  if (event.code > taken) return;
  const std::int64_t took = event.time - group.first.time;
  if (!group.forgotten && took > answer_within_) {
    complain(Invariant::every_answer, event, scene_.number_of(event), group,
             fmt::format("group {} of function {} is answered after {}; {} are allowed", bits.group,
                         requester(bits.source), format_time(Ps(took), 6),
                         format_time(Ps(answer_within_), 6)));
  }
  if (group.failed)
    function_forgets(name, event.time);
  else
    close(name);
}

void PageGroups::close(const Name& name) {
  Function& function = function_of(name);
  Group& group = *groups_.find(name);
  if (!group.forgotten) function.outstanding -= group.requests;
  constexpr std::size_t remembered = 8;
  if (function.closed.size() == remembered) function.closed.pop_front();
  function.closed.emplace_back(name.group, std::move(group.story));
  if (std::vector<Name>* const its = by_pasid_.find(group.number)) std::erase(*its, name);
  groups_.erase(name);
}

void PageGroups::number_begins(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  std::vector<Name>* const its = by_pasid_.find(number);
  if (its == nullptr) return;
  std::sort(its->begin(), its->end());
  for (const Name& name : *its) {
    const Group& group = *groups_.find(name);
    if (group.forgotten || group.first.epoch == event.epoch) continue;
    complain(Invariant::no_old_requests, event, number, group,
             fmt::format("PASID {} is allocated again while group {} of function {} waits in "
                         "its last life",
                         event.pasid, name.group, requester(name.source)));
  }
}

// As by a reset, but of one group: the function aborts its PASID.
void PageGroups::group_forgotten(const Name& name, Group& group) {
  if (std::exchange(group.forgotten, true)) return;
  function_of(name).outstanding -= group.requests;
}

void PageGroups::function_forgets(const Name& function, std::int64_t now) {
  function_of(function).outstanding = 0;
  function_of(function).forgot = now;
  const auto its = [&](const Name& name, const Group&) {
    return name.machine == function.machine && name.source == function.source;
  };
  for (const Name& name : groups_.keys_if(its)) groups_.find(name)->forgotten = true;
}

void PageGroups::finish() {
  for (const Name& name : groups_.keys()) {
    const Group& group = *groups_.find(name);
    if (group.forgotten) continue;
    complain(Invariant::every_answer, group.first, group.number, group,
             fmt::format("group {} of function {} was never {}", name.group, requester(name.source),
                         group.whole ? "answered" : "whole, and not answered"),
             true);
  }
}

}  // namespace viosim::check
