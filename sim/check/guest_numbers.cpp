// Two kernels' lives compared, and the processors' translations between them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/guest_numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace viosim::check {
namespace {

constexpr std::uint16_t allocates = 1;  // opcode

// Between the two kernels a number is under way for microseconds; what has not arrived after so long is
// lost.
constexpr std::int64_t under_way = 1'000'000'000;  // ps

constexpr const char* not_the_guests =
    "the host has PASID {} for this guest, whose kernel does not";

}  // namespace

void GuestNumbers::observe(const TraceEvent& event) {
  now_ = std::max(now_, event.time);
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::command:
    case EventKind::command_done:
      return command(event);
    case EventKind::command_lost:
      return not_told(guests_[scene_.machine_of(event.component)]);
    case EventKind::allocate:
      return moved(event);
    case EventKind::free:
      moved(event);
      return event.code == 0 ? freed(event) : void();
    case EventKind::allocator:
      return event.code == trace_code::allocator_ended ? closes(event) : void();
    case EventKind::id_set:
      return event.code == trace_code::set_gone ? set_gone(event) : void();
    case EventKind::vcpu_pasid:
      return translated(event);
    default:
      return;
  }
}

void GuestNumbers::command(const TraceEvent& event) {
  Guest& guest = guests_[scene_.machine_of(event.component)];
  if (static_cast<EventKind>(event.kind) == EventKind::command) {
    guest.commands[event.component] = event.code == allocates;
    if (event.code != allocates) guest.late.erase(event.pasid);
    return;
  }
  const auto open = guest.commands.find(event.component);
  if (open == guest.commands.end()) return;
  if (!open->second && event.code == trace_code::command_dropped) not_told(guest);
  if (open->second && event.code == 0) guest.given[event.pasid] = scene_.link(event);
  guest.commands.erase(open);
}

// One of a host that it has left, or to which it has not come, says nothing.
void GuestNumbers::set_gone(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  if (scene_.host_of_files(event.component) == scene_.host_of(machine))
    guests_[machine].ended = true;
}

void GuestNumbers::not_told(Guest& guest) {
  if (guest.freed) {
    guest.given.erase(*guest.freed);
    guest.late.erase(*guest.freed);
  }
  guest.freed.reset();
}

// In the guest's own kernel. An orphan is charged to it, and it does not know it any more.
void GuestNumbers::moved(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  if (!is_guest(machine)) return;
  Guest& guest = guests_[machine];
  guest.taken[event.pasid] = scene_.link(event);
  if (static_cast<EventKind>(event.kind) == EventKind::free) guest.freed = event.pasid;
  if (event.code == trace_code::orphaned) guest.given.erase(event.pasid);
}

void GuestNumbers::freed(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  const auto is_its = [&](std::uint32_t guest) {
    return guest != machine && scene_.host_of(guest) == machine;
  };
  if (event.value != 0) {
    const auto owner = guests_.find(scene_.machine_of(static_cast<std::uint32_t>(event.value - 1)));
    if (owner != guests_.end() && is_its(owner->first)) owner->second.given.erase(event.pasid);
  }
  const auto users = in_cpus_.find({machine, event.pasid});
  if (users == in_cpus_.end()) return;
  for (const auto& [guest, used] : users->second) {
    scene_.violate(Invariant::cpu_translation, event,
                   fmt::format("PASID {} is freed while processors turn a guest's PASID {} into it",
                               event.pasid, used.number),
                   {used.set});
  }
}

// A guest that moves is on two hosts until its files on the first one are closed.
void GuestNumbers::translated(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  std::map<std::uint32_t, InCpu>& of_guests = in_cpus_[scene_.number_of(event)];
  const auto number = static_cast<std::uint32_t>(event.address);
  if (event.code == trace_code::translation_removed) {
    of_guests.erase(machine);
    return;
  }
  const auto [at, first] = of_guests.emplace(machine, InCpu{number, scene_.link(event)});
  if (!first && at->second.number != number) {
    scene_.violate(Invariant::cpu_translation, event,
                   fmt::format("processors turn a guest's PASID {} into {}, and its PASID {}, too",
                               number, event.pasid, at->second.number),
                   {at->second.set});
  }
  at->second.number = number;
}

bool GuestNumbers::settled(const TraceEvent& event) const { return now_ - event.time > under_way; }

// Its processes are gone, and what they had was given back.
void GuestNumbers::closes(const TraceEvent& event) {
  const auto found = guests_.find(scene_.machine_of(event.component));
  if (found == guests_.end() || found->second.ended) return;
  Guest& guest = found->second;
  if (guest.commands.empty()) compare(found->first, guest, true);
  found->second.ended = true;
}

void GuestNumbers::finish() {
  for (auto& [machine, guest] : guests_) {
    if (!guest.ended && guest.commands.empty()) compare(machine, guest, false);
    for (auto& [pasid, evidence] : guest.late)
      complain({machine, pasid}, std::move(evidence), not_the_guests);
  }
}

void GuestNumbers::complain(const Number& number, std::vector<Link> evidence, const char* what) {
  const TraceEvent at = evidence.back().event;
  scene_.violate(at, {.invariant = Invariant::same_numbers,
                      .number = number,
                      .epoch = at.epoch,
                      .message = fmt::format(fmt::runtime(what), number.pasid),
                      .evidence = std::move(evidence),
                      .overdue = true});
}

void GuestNumbers::compare(std::uint32_t machine, Guest& guest, bool all) {
  for (const auto& [pasid, answer] : guest.given) {
    const Life* const life = scene_.life({machine, pasid});
    const auto last = guest.taken.find(pasid);
    const Link& at = last == guest.taken.end() ? answer : last->second;
    const bool moves = !settled(at.event) || !settled(answer.event);
    if ((!all && moves) || (life != nullptr && life->live)) continue;
    const std::span<const Link> in_host = scene_.roots({scene_.host_of(machine), pasid});
    std::vector<Link> evidence(in_host.begin(), in_host.end());
    evidence.push_back(answer);
    evidence.push_back(at);
    if (moves && static_cast<EventKind>(at.event.kind) == EventKind::free)
      guest.late[pasid] = std::move(evidence);
    else
      complain({machine, pasid}, std::move(evidence), not_the_guests);
  }
  if (guest.given.empty()) return;
  for (const auto& [pasid, taken] : guest.taken) {
    const Life* const life = scene_.life({machine, pasid});
    if (life == nullptr || !life->live || guest.given.contains(pasid)) continue;
    if (!all && !settled(taken.event)) continue;
    complain({machine, pasid}, {taken},
             "the guest's kernel has PASID {}, and the host none for it");
  }
}

}  // namespace viosim::check
