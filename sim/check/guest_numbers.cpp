// Two kernels' lives compared, and the processors' translations between them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/guest_numbers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim::check {
namespace {

constexpr std::uint16_t allocates = 1;  // opcode

// Between the two kernels a number is under way for microseconds; what has not arrived after so long is
// lost.
constexpr std::int64_t under_way = 1'000'000'000;  // ps

}  // namespace

void GuestNumbers::observe(const TraceEvent& event) {
  now_ = std::max(now_, event.time);
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::command:
    case EventKind::command_done:
      return command(event);
    case EventKind::allocate:
      return moved(event);
    case EventKind::free:
      moved(event);
      return event.code == 0 ? freed(event) : void();
    case EventKind::id_set:
      if (event.code == trace_code::set_gone)
        guests_[scene_.machine_of(event.component)].ended = true;
      return;
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
    return;
  }
  const auto open = guest.commands.find(event.component);
  if (open == guest.commands.end()) return;
  if (open->second && event.code == 0) guest.given[event.pasid] = event;
  guest.commands.erase(open);
}

// In the guest's own kernel. An orphan is charged to it, and it does not know it any more.
void GuestNumbers::moved(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  if (!is_guest(machine)) return;
  Guest& guest = guests_[machine];
  guest.taken[event.pasid] = event;
  if (event.code == trace_code::orphaned) guest.given.erase(event.pasid);
}

void GuestNumbers::freed(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  for (auto& [guest, numbers] : guests_) {
    if (scene_.host_of(guest) != machine || guest == machine) continue;
    const bool is_owner =
        event.value != 0 && scene_.machine_of(static_cast<std::uint32_t>(event.value - 1)) == guest;
    if (is_owner) numbers.given.erase(event.pasid);
    const auto used = numbers.in_cpus.find(event.pasid);
    if (used == numbers.in_cpus.end()) continue;
    scene_.violate(Invariant::cpu_translation, event,
                   fmt::format("PASID {} is freed while processors turn a guest's PASID {} into it",
                               event.pasid, used->second));
  }
}

void GuestNumbers::translated(const TraceEvent& event) {
  Guest& guest = guests_[scene_.machine_of(event.component)];
  const auto number = static_cast<std::uint32_t>(event.address);
  if (event.code == trace_code::translation_removed) {
    guest.in_cpus.erase(event.pasid);
    return;
  }
  const auto [at, first] = guest.in_cpus.emplace(event.pasid, number);
  if (!first && at->second != number) {
    scene_.violate(Invariant::cpu_translation, event,
                   fmt::format("processors turn a guest's PASID {} into {}, and its PASID {}, too",
                               number, event.pasid, at->second));
  }
  at->second = number;
}

bool GuestNumbers::settled(const TraceEvent& event) const { return now_ - event.time > under_way; }

void GuestNumbers::finish() {
  for (const auto& [machine, guest] : guests_) {
    if (!guest.ended && guest.commands.empty()) compare(machine, guest);
  }
}

void GuestNumbers::compare(std::uint32_t machine, const Guest& guest) {
  for (const auto& [pasid, answer] : guest.given) {
    const Life* const life = scene_.life({machine, pasid});
    const auto last = guest.taken.find(pasid);
    const TraceEvent& at = last == guest.taken.end() ? answer : last->second;
    if (!settled(at) || !settled(answer)) continue;
    if (life != nullptr && life->live) continue;
    scene_.violate(
        Invariant::same_numbers, at,
        fmt::format("the host has PASID {} for this guest, whose kernel does not", pasid));
  }
  if (guest.given.empty()) return;
  for (const auto& [pasid, event] : guest.taken) {
    const Life* const life = scene_.life({machine, pasid});
    if (life == nullptr || !life->live || guest.given.contains(pasid) || !settled(event)) continue;
    scene_.violate(Invariant::same_numbers, event,
                   fmt::format("the guest's kernel has PASID {}, and the host none for it", pasid));
  }
}

}  // namespace viosim::check
