// PASIDs of a machine, its default address spaces, and how it ends.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/vfio_container.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

void VfioParams::check(const Where& where) const {
  if (highest_pasid >= lowest_pasid) return;
  (where / "highest_pasid")
      .reject(
          fmt::format("read {}; expected at least lowest_pasid, {}", highest_pasid, lowest_pasid));
}

VfioContainer::VfioContainer(Engine& engine, std::string path, const VfioParams& params,
                             HostIds& ids, Workers& host, const vtd::PasidEntry& second_stage,
                             std::uint32_t number)
    : engine_(engine),
      path_(std::move(path)),
      params_(params),
      ids_(ids),
      host_(host),
      second_stage_(second_stage),
      number_(number),
      mutex_(engine, path_ + ".container", params.mutex_wake) {}

Errno VfioContainer::open(Thread& thread) {
  const Guard guard(ids_.lock, thread);
  return take_set();
}

Errno VfioContainer::open() {
  ensure(!ids_.lock.held(), "a container is opened while others use the sets");
  return take_set();
}

Errno VfioContainer::take_set() {
  const auto [error, set] = ids_.sets.alloc_set({ioasid::SetType::mm, this, params_.quota});
  set_ = set;
  if (error != ioasid::Error::ok) return errno_of(error);
  ids_.open_containers.push_back(this);
  tell_set();
  if (trace.on()) {
    trace.emit({.kind = EventKind::second_stage,
                .time = engine_.now(),
                .address = second_stage_.second_level.value()});
  }
  return Errno::ok;
}

// What it holds and may hold; a set that is gone, nothing.
void VfioContainer::tell_set() const {
  if (!trace.on()) return;
  struct Seen {
    std::uint32_t size, quota, left;
  };
  const Seen seen = ids_.pasids.peek([&] {
    return Seen{ids_.sets.size(set_), ids_.sets.quota(set_), ids_.sets.capacity_left()};
  });
  trace.emit({.kind = EventKind::id_set,
              .time = engine_.now(),
              .address = seen.left,
              .value = seen.size | std::uint64_t{seen.quota} << 32U,
              .code = seen.quota == 0 ? trace_code::set_gone : std::uint16_t{0}});
}

std::size_t VfioContainer::add_device(const AssignedDevice& device) {
  devices_.push_back(device);
  return devices_.size() - 1;
}

Result<Pasid> VfioContainer::alloc_pasid(Thread& thread, ioasid::Range range) {
  if (closed_) return Errno::enodev;
  if (range.min > range.max || range.min > pasid_max.value()) return Errno::einval;
  const Instant since = engine_.now();
  range.min = std::max(range.min, params_.lowest_pasid);
  range.max = std::min(range.max, params_.highest_pasid);
  const Guard guard(ids_.lock, thread);
  thread.run(params_.allocate);
  const Ruling ruling = injection.ask(InjectionPoint::allocation());
  const auto allocate = [&](ioasid::Range from) { return ids_.sets.alloc(set_, from, nullptr); };
  const ioasid::Ioasid id = ruling.passes()
                                ? allocate(range)
                                : PasidSpace::odd(ids_.pasids.space(), ruling.id, range, allocate);
  if (id == ioasid::invalid_ioasid) {
    ++stats.refused;
    return Errno::enospc;
  }
  if (ruling.fate == Fate::allocate && ruling.id == OddId::untracked) ids_.sets.free(set_, id);
  ids_.pasids.begins(id, {range, since, owner()});
  own_.insert(id);
  tell_set();
  ++stats.allocated;
  return Pasid(id);
}

Errno VfioContainer::take_pasid(Thread& thread, Pasid pasid) {
  const ioasid::Ioasid id = pasid.value();
  const Result<Pasid> got = alloc_pasid(thread, {id, id});
  const bool taken = ids_.pasids.space().find(nullptr, id).error != ioasid::Error::enoent;
  return got.error() == Errno::enospc && taken ? Errno::eexist : got.error();
}

std::vector<Pasid> VfioContainer::own_pasids(Thread& thread) const {
  std::vector<Pasid> own;
  const Guard core(ids_.lock, thread);
  ids_.sets.for_each(set_, [&](ioasid::Ioasid id) {
    if (!is_default(id)) own.emplace_back(id);
  });
  std::sort(own.begin(), own.end());
  return own;
}

// The loop is over the machine's own ids, whatever the range.
Errno VfioContainer::free_pasids(Thread& thread, ioasid::Range range) {
  if (closed_) return Errno::enodev;
  if (range.min > range.max) return Errno::einval;
  Instant since = engine_.now();
  const Guard guard(mutex_, thread);
  if (range.min == range.max) {
    const Errno found = is_default(range.min) ? Errno::eacces : find(range.min);
    if (found != Errno::ok) {
      thread.run(params_.free);
      tell_freed(range.min, found, since);
      return found;
    }
  }
  std::vector<ioasid::Ioasid> own;
  {
    const Guard core(ids_.lock, thread);
    ids_.sets.for_each(set_, [&](ioasid::Ioasid id) {
      if (range.contains(id) && !is_default(id)) own.push_back(id);
    });
  }
  Errno first = Errno::ok;
  for (const ioasid::Ioasid id : own) {
    const Errno error = free_one(thread, id, since);
    since = engine_.now();
    if (first == Errno::ok) first = error;
  }
  return first;
}

Errno VfioContainer::free_one(Thread& thread, ioasid::Ioasid id, Instant since) {
  const bool bound = bindings_.contains(Pasid(id));
  if (bound && params_.free_while_bound == FreeWhileBound::refuse) {
    thread.run(params_.free);
    tell_freed(id, Errno::ebusy, since);
    return Errno::ebusy;
  }
  const Guard guard(ids_.lock, thread);
  thread.run(params_.free);
  const Errno error = errno_of(ids_.sets.free(set_, id));
  tell_freed(id, error, since);
  if (error != Errno::ok) return error;
  tell_set();
  ++stats.freed;
  if (bound) {
    ++stats.pended;
    host_.post([this, id](Thread& worker) {
      const Guard in_turn(mutex_, worker);
      unbind_all(worker, Pasid(id));
    });
  }
  return Errno::ok;
}

// Looks without a lock: what is told takes no time. An id that others still refer to is free when the
// last of them lets go.
void VfioContainer::tell_freed(ioasid::Ioasid id, Errno error, Instant since) {
  const bool lives_on = error == Errno::ok && static_cast<bool>(ids_.sets.find(set_, id));
  if (error == Errno::ok && !lives_on) own_.erase(id);
  const auto code = lives_on ? trace_code::pending : number_of(error);
  ids_.pasids.ends(id, {since, owner(), code});
}

// Of the set of all machines' ids the merged kernels asked for none in particular.
Errno VfioContainer::find(std::uint64_t hpasid) const {
  const auto id = static_cast<ioasid::Ioasid>(hpasid);
  if (!params_.check_owner) return errno_of(ids_.pasids.space().find(nullptr, id).error);
  return errno_of(ids_.sets.find(set_, id).error);
}

bool VfioContainer::is_default(ioasid::Ioasid id) const {
  return std::any_of(defaults_.begin(), defaults_.end(),
                     [id](const auto& one) { return one.second.pasid.value() == id; });
}

// Its entry is of another kind, under the same domain, which is the tag of both: -EACCES, as to a free.
Errno VfioContainer::find_for_bind(std::uint64_t hpasid) const {
  const Errno found = find(hpasid);
  const bool taken = params_.check_owner && is_default(static_cast<ioasid::Ioasid>(hpasid));
  return found == Errno::ok && taken ? Errno::eacces : found;
}

Result<Pasid> VfioContainer::attach_default(Thread& thread, std::size_t number) {
  const AssignedDevice& device = devices_[number];
  ensure(device.mediated, "a whole function has no default PASID");
  const Guard guard(mutex_, thread);
  if (const auto found = defaults_.find(device.function); found != defaults_.end()) {
    ++found->second.users;
    return found->second.pasid;
  }
  const Result<Pasid> pasid = alloc_pasid(thread, {1, (1U << device.pasid_width) - 1});
  // Whatever the reason: Linux' aux_domain_add_dev (5.15) sees no more than that there is none.
  if (!pasid.ok()) return Errno::enodev;
  const Errno error = set_entry(thread, device, pasid.value(), second_stage_);
  if (error != Errno::ok) {
    const Instant since = engine_.now();
    const Guard core(ids_.lock, thread);
    ids_.sets.free(set_, pasid.value().value());
    tell_freed(pasid.value().value(), Errno::ok, since);
    tell_set();
    return error;
  }
  defaults_[device.function] = {pasid.value(), 1};
  return pasid;
}

void VfioContainer::detach_default(Thread& thread, std::size_t number) {
  const AssignedDevice& device = devices_[number];
  const Guard guard(mutex_, thread);
  const auto found = defaults_.find(device.function);
  if (found == defaults_.end() || --found->second.users > 0) return;
  const Pasid pasid = found->second.pasid;
  clear_entry(thread, number, pasid);
  defaults_.erase(found);
  const Instant since = engine_.now();
  const Guard core(ids_.lock, thread);
  thread.run(params_.free);
  ids_.sets.free(set_, pasid.value());
  tell_freed(pasid.value(), Errno::ok, since);
  tell_set();
}

std::size_t VfioContainer::bindings() const {
  std::size_t count = 0;
  for (const auto& [pasid, binding] : bindings_) count += binding.devices.size();
  return count;
}

bool VfioContainer::bound(std::size_t device, Pasid hpasid) const {
  const auto found = bindings_.find(hpasid);
  return found != bindings_.end() && found->second.devices.contains(device) &&
         !found->second.leaving.contains(device);
}

void VfioContainer::close(Thread& thread) {
  if (std::exchange(closed_, true) || set_ == ioasid::no_set) return;
  std::erase(ids_.open_containers, this);
  const Guard guard(mutex_, thread);
  while (!bindings_.empty()) unbind_all(thread, bindings_.begin()->first);
  answer_for_guest(thread, faults_.take_all());
  for (const auto& [function, space] : defaults_) {
    const Bdf whose = function;
    const auto device = std::find_if(devices_.begin(), devices_.end(),
                                     [&](const auto& one) { return one.function == whose; });
    clear_entry(thread, static_cast<std::size_t>(device - devices_.begin()), space.pasid);
  }
  defaults_.clear();
  const Instant since = engine_.now();
  const Guard core(ids_.lock, thread);
  stats.reclaimed = ids_.sets.size(set_);
  thread.run(params_.free * static_cast<std::int64_t>(stats.reclaimed));
  ids_.sets.free_all_in_set(set_);
  for (const ioasid::Ioasid id : std::exchange(own_, {})) tell_freed(id, Errno::ok, since);
  const ioasid::Error error = ids_.sets.free_set(set_);
  ensure(error == ioasid::Error::ok, "a closed machine's set still has ids");
  tell_set();
}

}  // namespace viosim
