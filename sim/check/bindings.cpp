// Binds without their unbinds.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/bindings.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

void Bindings::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::table_write:
      return written(event);
    case EventKind::bind:
      return bound(event);
    case EventKind::unbind:
      return unbound(event);
    case EventKind::work:
      return used(event);
    case EventKind::work_begun:
      return begun(event);
    case EventKind::free:
      return event.code == 0 ? freed(event) : void();
    case EventKind::unplug:
      return let_go(event);
    case EventKind::allocator:
      if (event.code == trace_code::allocator_left) leaving_.insert(event.component);
      if (event.code == trace_code::allocator_registered) leaving_.erase(event.component);
      return;
    case EventKind::moved:
      return leave_to_host(scene_.machine_of(event.component));
    case EventKind::viommu:
      return presence(event);
    default:
      return;
  }
}

void Bindings::written(const TraceEvent& event) {
  const EntryWritten how = EntryWritten::decode(event.value);
  limits_[{scene_.machine_of(event.component), how.source}] = how.pasid_limit;
  if (how.caching && event.code == trace_code::entry_set)
    behind_[event.component].insert(how.source);
}

Bindings::Bond& Bindings::add(const Number& number, std::uint16_t source) {
  const auto [at, is_new] = bonds_.try_emplace({number, source});
  if (is_new) of_functions_[{scene_.home_of(number), source}].insert(number);
  return at->second;
}

Bindings::Bonds::iterator Bindings::erase(Bonds::iterator bond) {
  const auto& [number, source] = bond->first;
  if (auto* const its = of_functions_.find({scene_.home_of(number), source})) its->erase(number);
  return bonds_.erase(bond);
}

void Bindings::bound(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  const auto source = static_cast<std::uint16_t>(event.value);
  if (event.pasid == 0 && event.code != trace_code::without_pasid)
    scene_.violate(Invariant::reserved_number, event,
                   fmt::format("PASID 0 of function {} is bound", requester(source)));
  const std::uint32_t* const limit = limits_.find({scene_.home_of(number), source});
  if (limit != nullptr && *limit != 0 && event.pasid >= *limit) {
    scene_.violate(Invariant::number_fits, event,
                   fmt::format("PASID {} is bound to function {}, whose PASIDs are below {}",
                               event.pasid, requester(source), *limit));
  }
  Bond& bond = add(number, source);
  bond.bind = scene_.link(event);
  bond.binder = scene_.machine_of(event.component);
  bond.slices = event.code == trace_code::for_guest ? bond.slices + 1 : 1;
  if (event.code == 0) of_processes_[number] = scene_.link(event);
}

// Slices of one function that a guest has share its entry.
void Bindings::unbound(const TraceEvent& event) {
  const auto bond = bonds_.find({scene_.number_of(event), static_cast<std::uint16_t>(event.value)});
  if (bond != bonds_.end() && --bond->second.slices == 0) erase(bond);
}

// PASIDs alone tell slices apart. ENQCMD carries a guest's number to whichever function; where that is not
// bound to it, its requests are refused.
void Bindings::used(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  const auto source = static_cast<std::uint16_t>(event.value);
  const std::uint32_t guest = scene_.machine_of(event.component);
  const Bond* there = nullptr;
  bool elsewhere = false;
  for (auto at = bonds_.lower_bound({number, 0}); at != bonds_.end() && at->first.first == number;
       ++at) {
    if (at->first.second == source) there = &at->second;
    elsewhere = elsewhere || at->second.binder == guest;
  }
  if (there != nullptr && there->binder == guest) return;
  if (there == nullptr && elsewhere && event.code == trace_code::by_enqcmd) return;
  std::vector<Link> evidence;
  if (there != nullptr) evidence.push_back(there->bind);
  scene_.violate(event,
                 {.invariant = Invariant::own_second_stage,
                  .number = number,
                  .epoch = event.epoch,
                  .message = fmt::format(
                      "a guest's slice of function {} has work with PASID {}, which {} there",
                      requester(source), event.pasid,
                      there != nullptr ? "is bound for somebody else" : "is not bound"),
                  .evidence = std::move(evidence)});
}

// What was sent in another life of the number is done in somebody else's memory. Where the number is bound to
// nobody, as of a guest that makes numbers up, requests are refused: that is no mistake of whoever gives them out.
void Bindings::begun(const TraceEvent& event) {
  if (event.epoch == 0) return;  // of whose numbers nothing is known
  const Number number = scene_.number_of(event);
  const Life* const life = scene_.life(number);
  if (life == nullptr || !life->live || life->epoch == event.epoch || scene_.orphan(number)) return;
  const auto bond = bonds_.find({number, static_cast<std::uint16_t>(event.value)});
  if (bond == bonds_.end()) return;
  scene_.violate(
      Invariant::use_of_live, event,
      fmt::format("work with PASID {} begins that was sent in an earlier life of it", event.pasid),
      {bond->second.bind});
}

void Bindings::freed(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  of_processes_.erase(number);
  if (scene_.orphan(number)) return;  // another owner's may be bound
  for (auto at = bonds_.lower_bound({number, 0}); at != bonds_.end() && at->first.first == number;
       at = erase(at)) {
    scene_.violate(Invariant::free_unbound, event,
                   fmt::format("PASID {} is freed, and is bound to function {}", event.pasid,
                               requester(at->first.second)),
                   {at->second.bind});
  }
}

void Bindings::let_go(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  const auto source = static_cast<std::uint16_t>(event.value);
  const auto* const its = of_functions_.find({machine, source});
  if (its == nullptr) return;
  for (const Number& number : *its) {
    const Bond& bond = bonds_.at({number, source});
    scene_.violate(event, {.invariant = Invariant::nothing_left,
                           .number = number,
                           .epoch = bond.bind.event.epoch,
                           .message = fmt::format("PASID {} is bound to function {}, and nobody "
                                                  "drives it",
                                                  number.pasid, requester(source)),
                           .evidence = {bond.bind}});
  }
}

// What the host that it left had bound for it is taken away when it can, by that host.
void Bindings::leave_to_host(std::uint32_t guest) {
  for (auto& [key, bond] : bonds_)
    if (bond.binder == guest && key.first.machine != guest &&
        key.first.machine != scene_.host_of(guest))
      bond.binder = key.first.machine;
}

// Of a vIOMMU that vanishes the hypervisor sees later to what was bound behind it.
void Bindings::presence(const TraceEvent& event) {
  if (event.code == trace_code::viommu_leaves) {
    vanished_.insert(event.component);
  } else if (vanished_.erase(event.component) == 0 && event.code == trace_code::viommu_gone) {
    ejected(event);
  }
}

// What a guest had bound behind it, in its host.
void Bindings::ejected(const TraceEvent& event) {
  if (!leaving_.contains(event.component)) return;
  const std::uint32_t guest = scene_.machine_of(event.component);
  const std::string within = scene_.path(event.component) + '.';
  std::set<std::uint16_t> functions;
  for (const auto& [driver, its] : behind_) {
    if (scene_.path(driver).starts_with(within)) functions.insert(its.begin(), its.end());
  }
  for (const auto& [key, bond] : bonds_) {
    const auto& [number, source] = key;
    if (bond.binder != guest || number.machine == guest || !functions.contains(source)) continue;
    scene_.violate(event, {.invariant = Invariant::nothing_left,
                           .number = number,
                           .epoch = bond.bind.event.epoch,
                           .message = fmt::format(
                               "PASID {} is bound to function {} behind {}, which is "
                               "taken away",
                               number.pasid, requester(source), scene_.path(event.component)),
                           .evidence = {bond.bind}});
  }
}

// A guest's end with it, and what it had in its host is its host's.
void Bindings::finish() {
  const auto complain = [&](const Number& number, const Link& bind, const std::string& message) {
    const std::uint32_t machine = scene_.home_of(number);
    if (scene_.host_of(machine) != machine) return;
    scene_.violate(bind.event, {.invariant = Invariant::trace_order,
                                .number = number,
                                .epoch = bind.event.epoch,
                                .message = message,
                                .evidence = {bind},
                                .overdue = true});
  };
  for (const auto& [key, bond] : bonds_) {
    complain(key.first, bond.bind,
             fmt::format("PASID {} was bound to function {}, and never unbound", key.first.pasid,
                         requester(key.second)));
    of_processes_.erase(key.first);
  }
  for (const auto& [number, bind] : of_processes_)
    complain(number, bind, fmt::format("PASID {} was never freed", number.pasid));
}

}  // namespace viosim::check
