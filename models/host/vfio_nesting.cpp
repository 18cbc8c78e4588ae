// Binding a guest's page tables, flushing what came of them, and the page requests under them.
// SPDX-License-Identifier: Apache-2.0
#include "models/event_order.hpp"
#include "models/host/vfio_container.hpp"

#include <algorithm>
#include <set>

namespace viosim {

// In the order of Linux' intel_svm_bind_gpasid.
Errno VfioContainer::may_bind(std::size_t number, const BindGpasid& request) const {
  if (closed_ || number >= devices_.size()) return Errno::enodev;
  const AssignedDevice& device = devices_[number];
  if (request.check() != Errno::ok) return Errno::einval;
  if (!device.pci) return Errno::enotsupp;
  if (device.pasid_width != pasid_bits) return Errno::einval;
  if (request.hpasid == 0 || request.hpasid > pasid_max.value()) return Errno::einval;
  if (const Errno found = find_for_bind(request.hpasid); found != Errno::ok) return found;
  const auto bound = bindings_.find(Pasid(static_cast<std::uint32_t>(request.hpasid)));
  if (bound != bindings_.end() && bound->second.devices.contains(number)) return Errno::ebusy;
  return can_nest(device, request);
}

Errno VfioContainer::can_nest(const AssignedDevice& device, const BindGpasid& request) const {
  const IommuAbilities& can = device.driver->iommu().abilities();
  const bool wide = request.addr_width == 57;
  const bool width = request.addr_width == 48 || (wide && can.five_levels);
  const bool supervisor = (request.vendor_flags & BindGpasid::supervisor) != 0;
  const bool memory_types = (request.vendor_flags & BindGpasid::memory_types) != 0;
  const bool possible =
      can.nesting && width && (!supervisor || can.supervisor_requests) && !memory_types;
  return possible ? Errno::ok : Errno::einval;
}

// The first device takes the alias; each takes a reference.
Errno VfioContainer::take_references(Thread& thread, const BindGpasid& request, Pasid hpasid) {
  const ioasid::Ioasid id = hpasid.value();
  const Guard core(ids_.lock, thread);
  const ioasid::SetNumber owner = params_.check_owner ? set_ : ioasid::no_set;
  if (const ioasid::Error error = ids_.sets.get(owner, id); error != ioasid::Error::ok)
    return errno_of(error);
  const bool alias = (request.flags & BindGpasid::gpasid_valid) != 0;
  if (!alias || bindings_.contains(hpasid)) return Errno::ok;
  const auto spid = static_cast<ioasid::Ioasid>(request.gpasid);
  const ioasid::Error error = ids_.sets.attach_spid(id, spid);
  if (error != ioasid::Error::ok) ids_.sets.put(owner, id);
  return errno_of(error);
}

// Before anything is stopped: what vCPUs submit from now on is refused.
void VfioContainer::drop_alias(Thread& thread, Pasid hpasid) {
  const Guard core(ids_.lock, thread);
  ids_.sets.detach_spid(hpasid.value());
}

// After the tables of all that translate with the number: whoever gets it next starts clean.
void VfioContainer::drop_reference(Thread& thread, Pasid hpasid, bool last) {
  const ioasid::Ioasid id = hpasid.value();
  const Instant since = engine_.now();
  const Guard core(ids_.lock, thread);
  if (last) ids_.sets.detach_data(id);
  ids_.sets.put(ioasid::no_set, id);
  if (ids_.sets.find(ioasid::no_set, id)) return;
  tell_freed(id, Errno::ok, since);
  tell_set();
}

void VfioContainer::tell_bound(EventKind kind, Pasid hpasid, std::size_t number,
                               Instant since) const {
  trace.emit({.kind = kind,
              .time = engine_.now(),
              .pasid = hpasid,
              .address = bindings_.at(hpasid).gpasid.value(),
              .value = devices_[number].function.value(),
              .code = trace_code::for_guest,
              .duration = engine_.now() - since});
}

// The error of a host that mixes its guests up; its own, where there is no other.
const vtd::PasidEntry& VfioContainer::another_second_stage() const {
  const auto other = std::find_if(ids_.open_containers.begin(), ids_.open_containers.end(),
                                  [this](const VfioContainer* one) { return one != this; });
  return other == ids_.open_containers.end() ? second_stage_ : (*other)->second_stage_;
}

Errno VfioContainer::bind_gpasid(Thread& thread, std::size_t number, const BindGpasid& request) {
  const Instant since = engine_.now();
  const Guard guard(mutex_, thread);
  thread.run(params_.bind);
  if (const Errno error = may_bind(number, request); error != Errno::ok) return error;
  const Pasid hpasid(static_cast<std::uint32_t>(request.hpasid));
  const AssignedDevice& device = devices_[number];
  if (const Errno error = take_references(thread, request, hpasid); error != Errno::ok)
    return error;
  const auto bound = bindings_.find(hpasid);
  const bool there = bound != bindings_.end() && bound->second.root == request.root &&
                     entry_shared(bound->second, number);
  const bool foreign = !there && injection.skips(FlowStep::guest_bind_own_memory, hpasid);
  vtd::PasidEntry entry = request.entry(foreign ? another_second_stage() : second_stage_);
  if (!there && injection.skips(FlowStep::guest_bind_second_level, hpasid))
    entry.second_level = Hpa(0);
  const Errno error = there ? Errno::ok : set_entry(thread, device, hpasid, entry);
  if (error != Errno::ok) {
    const bool first = bound == bindings_.end();
    if (first) drop_alias(thread, hpasid);
    drop_reference(thread, hpasid, first);
    return error;
  }
  note_binding(thread, request, number);
  if (trace.on()) tell_bound(EventKind::bind, hpasid, number, since);
  ++stats.bound;
  return Errno::ok;
}

void VfioContainer::note_binding(Thread& thread, const BindGpasid& request, std::size_t number) {
  const Pasid hpasid(static_cast<std::uint32_t>(request.hpasid));
  const auto [at, first] = bindings_.try_emplace(hpasid);
  Binding& binding = at->second;
  binding.devices.insert(number);
  if (!first) return;
  const bool alias = (request.flags & BindGpasid::gpasid_valid) != 0;
  binding.gpasid = alias ? Pasid(static_cast<std::uint32_t>(request.gpasid)) : hpasid;
  binding.root = request.root;
  const Guard core(ids_.lock, thread);
  ids_.sets.attach_data(hpasid.value(), &binding);
}

// Slices of one function have one PASID table.
bool VfioContainer::entry_shared(const Binding& binding, std::size_t number) const {
  return std::any_of(binding.devices.begin(), binding.devices.end(), [&](std::size_t other) {
    return other != number && devices_[other].function == devices_[number].function;
  });
}

Errno VfioContainer::unbind_gpasid(Thread& thread, std::size_t number, std::uint64_t hpasid) {
  const Instant since = engine_.now();
  const Guard guard(mutex_, thread);
  thread.run(params_.unbind);
  if (closed_ || number >= devices_.size()) return Errno::enodev;
  if (hpasid == 0 || hpasid > pasid_max.value()) return Errno::einval;
  const Pasid pasid(static_cast<std::uint32_t>(hpasid));
  const auto bound = bindings_.find(pasid);
  if (bound == bindings_.end() || !bound->second.devices.contains(number)) return Errno::enoent;
  unbind(thread, number, pasid, since);
  return Errno::ok;
}

Errno VfioContainer::set_entry(Thread& thread, const AssignedDevice& device, Pasid pasid,
                               const vtd::PasidEntry& entry) {
  const Guard guard(device.driver->pasid_mutex(), thread);
  return device.driver->set_up(thread, device.function, pasid, entry);
}

// Whoever waits for the guest's answer in the device is answered by the host, once the entry is
// gone: the guest cannot any more.
void VfioContainer::clear_entry(Thread& thread, std::size_t number, Pasid pasid) {
  if (closed_ && injection.skips(FlowStep::vm_close_tear_down, pasid)) return;
  const AssignedDevice& device = devices_[number];
  if (!injection.skips(FlowStep::guest_unbind_tear_down, pasid)) {
    const Guard guard(device.driver->pasid_mutex(), thread);
    device.driver->tear_down(thread, device.function, pasid);
  }
  if (!injection.skips(FlowStep::guest_unbind_answer, pasid))
    answer_for_guest(thread, faults_.take_of(number, pasid));
  if (injection.skips(FlowStep::guest_unbind_drain, pasid)) return;
  const Guard guard(device.driver->pasid_mutex(), thread);
  device.driver->drain_page_requests(thread, device.function, pasid, second_stage_.domain);
}

// Whatever the guest has stopped by itself: the number may be another machine's next. A slice waits for its
// page requests, which the host answers from now on.
void VfioContainer::stop(Thread& thread, std::size_t number, Pasid pasid) {
  if (!devices_[number].mediated) return;
  answer_for_guest(thread, faults_.take_of(number, pasid));
  devices_[number].stop(thread, pasid);
}

// A vCPU's ENQCMD carries the number to whichever slice of the machine's, bound there or not.
void VfioContainer::stop_where_enqcmd_leads(Thread& thread, std::size_t number, Pasid hpasid) {
  std::set<Bdf> stopped{devices_[number].function};
  for (const AssignedDevice& device : devices_) {
    if (device.takes_enqcmd() && stopped.insert(device.function).second)
      device.stop(thread, hpasid);
  }
}

void VfioContainer::unbind(Thread& thread, std::size_t number, Pasid hpasid, Instant since) {
  Binding& binding = bindings_.at(hpasid);
  binding.leaving.insert(number);
  const bool last = binding.devices.size() == 1;
  if (last) drop_alias(thread, hpasid);
  if (entry_shared(binding, number)) {
    answer_for_guest(thread, faults_.take_of(number, hpasid));
  } else {
    stop(thread, number, hpasid);
    if (last) stop_where_enqcmd_leads(thread, number, hpasid);
    clear_entry(thread, number, hpasid);
  }
  if (trace.on()) tell_bound(EventKind::unbind, hpasid, number, since);
  binding.leaving.erase(number);
  binding.devices.erase(number);
  drop_reference(thread, hpasid, last);
  if (last) bindings_.erase(hpasid);
  ++stats.unbound;
}

void VfioContainer::unbind_device(Thread& thread, std::size_t number) {
  const Guard guard(mutex_, thread);
  const auto uses = [number](const auto& one) { return one.second.devices.contains(number); };
  for (auto bound = std::find_if(bindings_.begin(), bindings_.end(), uses);
       bound != bindings_.end(); bound = std::find_if(bindings_.begin(), bindings_.end(), uses))
    unbind(thread, number, bound->first, engine_.now());
}

void VfioContainer::unbind_all(Thread& thread, Pasid hpasid) {
  for (auto bound = bindings_.find(hpasid); bound != bindings_.end();
       bound = bindings_.find(hpasid)) {
    unbind(thread, *bound->second.devices.begin(), hpasid, engine_.now());
  }
}

Errno VfioContainer::cache_invalidate(Thread& thread, std::size_t number,
                                      const CacheInvalidate& order) {
  thread.run(params_.invalidate);
  return hardware_invalidate(thread, number, order);
}

Errno VfioContainer::hardware_invalidate(Thread& thread, std::size_t number,
                                         const CacheInvalidate& order) {
  if (closed_ || number >= devices_.size()) return Errno::enodev;
  const AssignedDevice& device = devices_[number];
  const InvalidationTarget target{
      device.function, second_stage_.domain, device.driver->ats_enabled(device.function),
      device.driver->iommu().abilities().max_address_mask, params_.refuse_misaligned};
  const auto descriptors = encode(order, target);
  if (!descriptors.ok()) return descriptors.error();
  if (order.pasid > pasid_max.value()) return Errno::einval;
  if (const Errno found = find(order.pasid); found != Errno::ok) return found;
  return device.driver->submit(thread, descriptors.value());
}

Errno VfioContainer::page_response(Thread& thread, std::size_t number,
                                   const PageResponseOrder& order) {
  thread.run(params_.respond);
  if (closed_ || number >= devices_.size()) return Errno::enodev;
  if (order.check() != Errno::ok) return Errno::einval;
  const bool has_pasid = (order.flags & PageResponseOrder::pasid_valid) != 0;
  const auto group = static_cast<std::uint16_t>(order.group);
  const auto request = faults_.match(number, has_pasid ? Pasid(order.pasid) : no_pasid, group);
  if (!request) return Errno::einval;
  respond(thread, number, PageResponse::to(*request, order.response_code()));
  return Errno::ok;
}

void VfioContainer::respond(Thread& thread, std::size_t number, const PageResponse& response) {
  devices_[number].respond(thread, response);
}

void VfioContainer::answer_for_guest(Thread& thread,
                                     const std::vector<GuestFaults::Pending>& groups) {
  for (const GuestFaults::Pending& one : groups) {
    respond(thread, one.device, PageResponse::to(one.request, PageResponseCode::invalid));
  }
}

void VfioContainer::answer_for_guest(Thread& thread) {
  event_raised_ = false;
  answer_for_guest(thread, faults_.take_all());
}

bool VfioContainer::forward_fault(std::size_t number, const PageRequest& request) {
  if (closed_ || !devices_[number].forwards_page_requests) return false;
  const auto bound = bindings_.find(request.pasid);
  if (bound == bindings_.end() || !bound->second.devices.contains(number) ||
      bound->second.leaving.contains(number)) {
    return false;
  }
  const Instant deadline = engine_.now() + params_.fault_limit;
  if (!faults_.forward({number, bound->second.gpasid, request}, deadline)) return true;
  watch_deadlines();
  if (!event_raised_ && listener_ != nullptr) {
    event_raised_ = true;
    raise_event(request.pasid);
  }
  return true;
}

void VfioContainer::raise_event(Pasid pasid) {
  const Ruling ruling = injection.ask(Message::fault_event, pasid);
  switch (ruling.fate) {
    case Fate::drop:
      return;
    case Fate::delay:
      return host_.post_at(engine_.now() + ruling.by,
                           [this](Thread&) { listener_->faults_forwarded(); });
    case Fate::duplicate:
      listener_->faults_forwarded();
      break;
    default:
      break;
  }
  listener_->faults_forwarded();
}

std::vector<ForwardedFault> VfioContainer::read_faults() {
  event_raised_ = false;
  return faults_.take();
}

// Looks in small steps, so that a run does not last until a limit that is long not needed any more.
void VfioContainer::watch_deadlines() {
  const auto deadline = faults_.next_deadline();
  if (watching_ || !deadline) return;
  watching_ = true;
  constexpr std::int64_t steps = 100;
  const Instant step = engine_.now() + std::max(params_.fault_limit / steps, Ps(1));
  engine_.agenda().schedule(std::min(*deadline, step), rank(EventClass::timer, number_), *this, 0);
}

void VfioContainer::fire(std::uint64_t /*what*/) {
  const auto deadline = faults_.next_deadline();
  if (deadline && *deadline <= engine_.now())
    return host_.post([this](Thread& thread) { answer_expired(thread); });
  watching_ = false;
  watch_deadlines();
}

// One by one, and until then they wait as before: who unbinds meanwhile answers those that are left.
void VfioContainer::answer_expired(Thread& thread) {
  const PageResponseCode code = params_.late_guest == LateGuest::failure
                                    ? PageResponseCode::failure
                                    : PageResponseCode::invalid;
  while (const auto late = faults_.take_expired(thread.now()))
    respond(thread, late->device, PageResponse::to(late->request, code));
  watching_ = false;
  watch_deadlines();
}

}  // namespace viosim
