// Finding machines in paths, and writing violations.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/scene.hpp"

#include "core/base/error.hpp"
#include "models/guest/files_path.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace viosim::check {
namespace {

constexpr std::string_view kernel_pasids = ".kernel.pasids";

bool within(std::string_view path, std::string_view machine) {
  return path.starts_with(machine) &&
         (path.size() == machine.size() || path[machine.size()] == '.');
}

std::string_view parent_of(std::string_view path) { return path.substr(0, path.rfind('.')); }

// Machines are what has a kernel; where none is told of, what stands first in a path.
std::vector<std::string> machines_in(const std::vector<std::string>& paths) {
  std::set<std::string_view> machines;
  for (const std::string_view path : paths) {
    machines.insert(path.substr(0, path.find('.')));
    if (path.ends_with(kernel_pasids))
      machines.insert(path.substr(0, path.size() - kernel_pasids.size()));
  }
  return {machines.begin(), machines.end()};
}

// The longest that the path is within: of sorted names, the last.
std::uint32_t innermost(const std::vector<std::string>& machines, std::string_view path) {
  for (std::string_view lead = path;;) {
    const auto at = std::lower_bound(machines.begin(), machines.end(), lead);
    if (at != machines.end() && *at == lead)
      return static_cast<std::uint32_t>(at - machines.begin());
    const std::size_t dot = lead.rfind('.');
    ensure(dot != std::string_view::npos, "a component is part of no machine");
    lead = lead.substr(0, dot);
  }
}

}  // namespace

Scene::Scene(std::vector<std::string> paths)
    : paths_(std::move(paths)), machines_(machines_in(paths_)) {
  allocates_.resize(machines_.size());
  std::unordered_map<std::string_view, std::uint32_t> units;  // asked for by name only
  for (const std::string& path : paths_) {
    const auto next = static_cast<std::uint32_t>(units.size());
    const std::uint32_t unit = units.try_emplace(parent_of(path), next).first->second;
    places_.push_back({innermost(machines_, path), unit, unit, 0});
    if (path.ends_with(kernel_pasids)) allocates_[places_.back().machine] = true;
  }
  const std::unordered_set<std::string_view> all(paths_.begin(), paths_.end());
  for (std::size_t i = 0; i < paths_.size(); ++i)
    if (all.contains(paths_[i] + ".driver")) places_[i].queue_of = units.at(paths_[i]);
  for (std::uint32_t i = 0; i < machines_.size(); ++i) {
    const std::string& name = machines_[i];
    const std::string_view lead = parent_of(name);
    const bool of_other = lead != name && within(name, lead);
    hosts_.push_back(of_other ? innermost(machines_, lead) : i);
  }
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const std::uint32_t machine = places_[i].machine;
    const bool of_guest = hosts_[machine] != machine;
    const std::string_view elsewhere =
        of_guest ? elsewhere_in(paths_[i], machines_[machine]) : std::string_view{};
    const auto host = std::find_if(machines_.begin(), machines_.end(), [&](const auto& name) {
      return index_of_host(name) == elsewhere;
    });
    places_[i].files_of = elsewhere.empty() || host == machines_.end()
                              ? hosts_[machine]
                              : static_cast<std::uint32_t>(host - machines_.begin());
  }
  of_kernels_ = machines_.size();
}

std::uint32_t Scene::add_space(std::uint32_t of) {
  machines_.push_back(machines_[of]);
  hosts_.push_back(of);
  allocates_.push_back(false);
  return static_cast<std::uint32_t>(machines_.size() - 1);
}

const std::string& Scene::path(std::uint32_t component) const {
  static const std::string unknown = "unknown";
  return component < paths_.size() ? paths_[component] : unknown;
}

std::uint32_t Scene::machine_of(std::uint32_t component) const {
  ensure(component < places_.size(), "an event is of a component that is not known");
  return places_[component].machine;
}

std::uint32_t Scene::unit_of(std::uint32_t component) const { return places_[component].unit; }

std::uint32_t Scene::unit_of_queue(std::uint32_t component) const {
  return places_[component].queue_of;
}

Number Scene::number_of(const TraceEvent& event) const {
  if (space_) return {*space_, event.pasid};
  const auto kind = static_cast<EventKind>(event.kind);
  const std::uint32_t machine = machine_of(event.component);
  const bool binding = kind == EventKind::bind || kind == EventKind::unbind;
  const bool for_guest = (binding && event.code == trace_code::for_guest) ||
                         kind == EventKind::vcpu_pasid || kind == EventKind::work;
  return {for_guest ? host_of_files(event.component) : machine, event.pasid};
}

const Life* Scene::life(const Number& number) const { return lives_.find(number); }

bool Scene::orphan(const Number& number) const {
  const Life* const its = life(number);
  return its != nullptr && (its->orphaned || its->orphans > 0);
}

bool Scene::shared_with_orphans(const Number& number) const {
  const auto is_shared = [this](const Number& one) {
    const Life* const its = life(one);
    return its != nullptr && its->orphans > 0;
  };
  const Number* const guest = stands_for(number);
  return is_shared(number) || (guest != nullptr && is_shared(*guest));
}

std::uint32_t Scene::living(std::uint32_t machine) const {
  std::uint32_t all = 0;
  for (auto at = living_.lower_bound({machine, 0});
       at != living_.end() && at->first.first == machine; ++at)
    all += at->second;
  return all;
}

std::uint32_t Scene::living(std::uint32_t machine, std::uint64_t owner) const {
  const auto found = living_.find({machine, owner});
  return found == living_.end() ? 0 : found->second;
}

void Scene::begin(const TraceEvent& allocation) {
  const Number number = number_of(allocation);
  Life& life = lives_[number];
  if (life.live) --living_[{number.machine, life.owner}];
  ++living_[{number.machine, allocation.value}];
  const std::optional<std::uint64_t> before =
      life.epoch == 0 ? std::nullopt : std::optional(life.owner);
  const std::uint32_t orphans = life.orphans + (life.orphaned ? 1 : 0);
  life = {allocation.epoch, true, false, false, orphans, allocation.value, before, 0};
  stands_for_.erase(number);
}

void Scene::bound_for_guest(const TraceEvent& bind) {
  stands_for_[number_of(bind)] = {machine_of(bind.component),
                                  static_cast<std::uint32_t>(bind.address)};
}

void Scene::end(const TraceEvent& free) {
  const Number number = number_of(free);
  Life* const its = lives_.find(number);
  if (its == nullptr) return;
  Life& life = *its;
  if (free.code == trace_code::pending) {
    life.pending = true;
  } else if (free.code == 0 || free.code == trace_code::orphaned) {
    stands_for_.erase(number);
    if (life.live) {
      --living_[{number.machine, life.owner}];
      life.live = life.pending = false;
      life.ended = free.time;
      life.orphaned = free.code != 0;
    } else if (life.orphans > 0) {  // whose owner it is nobody knows; each frees once
      --life.orphans;
    } else {
      life.orphaned = false;
    }
  }
}

// Events of allocators, sets and locks are not lost among those of requests without a PASID.
Number Scene::story_of(const TraceEvent& event, const Number& number) {
  constexpr std::uint32_t of_allocators = 1U << 20U;  // no PASID
  constexpr std::uint32_t of_sets = of_allocators + 1;
  constexpr std::uint32_t of_locks = of_allocators + 2;
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::allocator:
    case EventKind::viommu:
    case EventKind::command_lost:
      return {number.machine, of_allocators};
    case EventKind::id_set:
      return {number.machine, of_sets};
    case EventKind::lock_order:
      return {number.machine, of_locks};
    default:
      return number;
  }
}

void Scene::note(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::vanish || kind == EventKind::plug) {
    const OfUnit function{machine_of(event.component), static_cast<std::uint16_t>(event.value)};
    const auto before = vanished_.find(function);
    if (kind == EventKind::vanish)
      vanished_[function] = {event.time, false};
    else if (before != vanished_.end())
      before->second.back = true;
  }
  if (kind == EventKind::moved)
    hosts_[machine_of(event.component)] = host_of_files(event.component);
  if (kind == EventKind::injection)
    return chains_.note_injection(event, host_of(machine_of(event.component)));
  const bool lasting =
      kind == EventKind::allocate || kind == EventKind::bind || kind == EventKind::free;
  chains_.note(event, story_of(event, number_of(event)), lasting);
}

std::vector<Link> Scene::roots_of(const Number& number, std::uint32_t epoch) const {
  std::vector<Link> its;
  for (const Link& link : roots(number))
    if (link.event.epoch == epoch) its.push_back(link);
  return its;
}

std::vector<Link> Scene::allocations(std::uint32_t machine,
                                     std::optional<std::uint64_t> owner) const {
  constexpr std::size_t enough = 4;
  std::vector<Link> found;
  const auto its = lives_.keys_if([&](const Number& number, const Life& life) {
    return number.machine == machine && life.live && (!owner || life.owner == *owner);
  });
  for (const Number& number : its) {
    if (found.size() >= enough) break;
    const std::uint32_t epoch = lives_.find(number)->epoch;
    for (const Link& link : roots(number)) {
      if (static_cast<EventKind>(link.event.kind) == EventKind::allocate &&
          link.event.epoch == epoch)
        found.push_back(link);
    }
  }
  return found;
}

std::string Scene::owner_name(std::uint64_t owner, std::uint32_t machine) const {
  return owner == 0 ? machines_[machine] + ".kernel" : path(static_cast<std::uint32_t>(owner - 1));
}

void Scene::violate(const TraceEvent& at, Finding finding) {
  const bool first = ++counts_[name_of(finding.invariant)] == 1;
  if (++found_ > most_violations && !first) return;
  const Number& number = finding.number;
  Violation violation;
  violation.invariant = finding.invariant;
  violation.time = at.time;
  violation.component = at.component;
  violation.actor = path(at.component);
  violation.pasid = number.pasid;
  violation.epoch = finding.epoch;
  violation.message = std::move(finding.message);
  if (const Life* const its = life(number)) {
    const auto name = [&](std::optional<std::uint64_t> owner) {
      return owner ? owner_name(*owner, number.machine) : "nobody";
    };
    violation.current_epoch = its->epoch;
    violation.owner = its->live ? name(its->owner) : "nobody";
    violation.previous_owner = name(its->live ? its->previous_owner : its->owner);
  }
  if (!finding.overdue) finding.evidence.push_back(link(at));
  violation.chain = chains_.chain({.number = story_of(at, number),
                                   .host = host_of(number.machine),
                                   .epoch = finding.epoch,
                                   .with_others = !finding.overdue && !finding.alone,
                                   .evidence = finding.evidence});
  violations_.push_back(std::move(violation));
}

}  // namespace viosim::check
