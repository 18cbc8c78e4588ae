// Devices, and what their requests are translated by.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/iommufd.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace viosim {

using namespace iommufd;

Result<ObjectId> Iommufd::bind(Thread& thread, const AssignedDevice& device) {
  thread.run(params_.bind_device);
  if (device.driver->function(device.function) == nullptr) return Errno::enodev;
  if (!device.mediated && !shared_.owners.try_emplace(device.function, this).second)
    return Errno::ebusy;
  Device bound;
  bound.is = device;
  bound.mutex = std::make_unique<Mutex>(engine_, path_ + ".device", params_.mutex_wake);
  const ObjectId id = add(std::move(bound));
  objects_.use(id);  // its file
  return id;
}

// PASIDs go before what requests without one use: that ends the function's use of PASIDs.
void Iommufd::unbind(Thread& thread, ObjectId id) {
  Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return;
  {
    const Guard guard(*device->mutex, thread);
    while (!device->attachments.empty())
      detach_from(thread, id, device->attachments.begin()->first, engine_.now());
  }
  if (device->vdevice != no_object) destroy(thread, device->vdevice);
  if (!device->is.mediated) shared_.owners.erase(device->is.function);
  objects_.unuse(id);
  thread.run(params_.destroy);
  objects_.remove(id);
}

bool Iommufd::takes_whole_function(const Device& device, Pasid pasid) const {
  return pasid == no_pasid && !device.is.mediated;
}

Errno Iommufd::may_attach(const Device& device, Pasid pasid, ObjectId hwpt) {
  const IommuDriver& driver = *device.is.driver;
  if (pasid != no_pasid) {
    const IommuFunction* const function = driver.function(device.is.function);
    if (function == nullptr) return Errno::enodev;
    const bool reserved = pasid == Pasid(0) || pasid == function->rid_pasid;
    if (reserved || pasid.value() >= driver.pasid_limit(device.is.function)) return Errno::einval;
  }
  const Hwpt* const table = objects_.hwpt(hwpt);
  if (table == nullptr) return objects_.contains(hwpt) ? Errno::einval : Errno::enoent;
  const HwptNested* const nested = objects_.find<HwptNested>(hwpt);
  const bool walkable = nested == nullptr || nested->width_known;
  return walkable && table->driver == &driver ? Errno::ok : Errno::einval;
}

// A slice's numbers are unique in the whole system, its default one included. Slices of several
// functions have one behind a number of the guest's: a vCPU's ENQCMD carries it to whichever.
Result<Pasid> Iommufd::number_for(const Device& device, Pasid pasid) {
  const IommuDriver& driver = *device.is.driver;
  if (!device.is.mediated)
    return pasid == no_pasid ? driver.function(device.is.function)->rid_pasid : pasid;
  const std::uint32_t limit = driver.pasid_limit(device.is.function);
  const Device* const other = slice_with(pasid, device);
  if (other == nullptr || other->is.function == device.is.function)
    return shared_.pasids.alloc(limit);
  const Pasid host = other->attachments.at(pasid).host;
  if (host.value() >= limit) return Errno::enospc;
  return host;
}

const Device* Iommufd::slice_with(Pasid pasid, const Device& but) const {
  if (pasid == no_pasid) return nullptr;
  for (const ObjectId id : objects_.all<Device>()) {
    const Device* const device = objects_.find<Device>(id);
    if (device != &but && device->is.mediated && device->attachments.contains(pasid)) return device;
  }
  return nullptr;
}

// Of an attachment of a slice that is gone.
void Iommufd::give_back_number(Pasid pasid, Pasid host) {
  for (const ObjectId id : objects_.all<Device>()) {
    const Device& device = *objects_.find<Device>(id);
    const auto attached = device.attachments.find(pasid);
    if (device.is.mediated && pasid != no_pasid && attached != device.attachments.end() &&
        attached->second.host == host) {
      return;
    }
  }
  shared_.pasids.free(host);
}

Errno Iommufd::set_entry(Thread& thread, const Device& device, Pasid pasid, Pasid host,
                         const vtd::PasidEntry& entry) {
  IommuDriver& driver = *device.is.driver;
  const Guard guard(driver.pasid_mutex(), thread);
  if (takes_whole_function(device, pasid)) return driver.attach(thread, device.is.function, entry);
  return driver.set_up(thread, device.is.function, host, entry);
}

// ENQCMD finds the number from before its entry is present on, and until before it goes.
bool Iommufd::only_slice_with(Pasid pasid, const Device& device) const {
  if (!device.is.mediated || pasid == no_pasid) return false;
  const Device* const other = slice_with(pasid, device);
  return other == nullptr || other->attachments.at(pasid).leaving;
}

void Iommufd::tell_attached(const Device& device, Pasid pasid, Pasid host) {
  if (pasid_listener_ != nullptr && only_slice_with(pasid, device))
    pasid_listener_->pasid_attached(pasid, host);
}

void Iommufd::tell_detached(const Device& device, Pasid pasid) {
  if (pasid_listener_ != nullptr && only_slice_with(pasid, device))
    pasid_listener_->pasid_detached(pasid);
}

// Requests without a PASID are bound to nothing.
void Iommufd::tell_bound(EventKind kind, const Device& device, Pasid pasid, Pasid host,
                         Instant since) const {
  if (!trace.on() || pasid == no_pasid) return;
  trace.emit({.kind = kind,
              .time = engine_.now(),
              .pasid = host,
              .address = pasid.value(),
              .value = device.is.function.value(),
              .code = trace_code::for_guest,
              .duration = engine_.now() - since});
}

void Iommufd::move(const Place& place, ObjectId from, ObjectId to) {
  if (Hwpt* const old = objects_.hwpt(from)) {
    std::erase(old->attached, place);
    objects_.unuse(from);
  }
  if (Hwpt* const now = objects_.hwpt(to)) {
    now->attached.push_back(place);
    objects_.use(to);
  }
}

// Known before its entry is present: page requests may come at once.
Errno Iommufd::attach_to(Thread& thread, ObjectId id, Pasid pasid, ObjectId hwpt, Instant since) {
  Device& device = *objects_.find<Device>(id);
  if (const Errno error = may_attach(device, pasid, hwpt); error != Errno::ok) return error;
  if (device.attachments.contains(pasid)) return Errno::ebusy;
  const Pin pin(objects_, hwpt);
  const Result<Pasid> host = number_for(device, pasid);
  if (!host.ok()) return host.error();
  device.attachments[pasid] = {hwpt, host.value()};
  move({id, pasid}, no_object, hwpt);
  tell_attached(device, pasid, host.value());
  const Errno error = set_entry(thread, device, pasid, host.value(), objects_.hwpt(hwpt)->entry);
  if (error != Errno::ok) {
    tell_detached(device, pasid);
    answer_for_user(thread, hwpt, {id, pasid});
    device.attachments.erase(pasid);
    move({id, pasid}, hwpt, no_object);
    if (device.is.mediated) give_back_number(pasid, host.value());
    return error;
  }
  tell_bound(EventKind::bind, device, pasid, host.value(), since);
  ++stats.attached;
  return Errno::ok;
}

// Who waits for an answer in the old address space is told by the host that there is none.
Errno Iommufd::replace_with(Thread& thread, ObjectId id, Pasid pasid, ObjectId hwpt) {
  Device& device = *objects_.find<Device>(id);
  if (const Errno error = may_attach(device, pasid, hwpt); error != Errno::ok) return error;
  const auto attached = device.attachments.find(pasid);
  if (attached == device.attachments.end()) return Errno::einval;
  const ObjectId old = attached->second.hwpt;
  if (old == hwpt) return Errno::ok;
  const Pin pin(objects_, hwpt);
  IommuDriver& driver = *device.is.driver;
  {
    const Guard guard(driver.pasid_mutex(), thread);
    const Errno error = driver.replace(thread, device.is.function, attached->second.host,
                                       objects_.hwpt(hwpt)->entry);
    if (error != Errno::ok) return error;
  }
  attached->second.hwpt = hwpt;
  move({id, pasid}, old, hwpt);
  answer_for_user(thread, old, {id, pasid});
  ++stats.replaced;
  return Errno::ok;
}

// A vCPU's ENQCMD carries the number to whichever slice of the machine's, attached there or not.
void Iommufd::stop_where_enqcmd_leads(Thread& thread, const Device& but, Pasid host) {
  std::set<Bdf> stopped{but.is.function};
  for (const ObjectId id : objects_.all<Device>()) {
    const Device* const found = objects_.find<Device>(id);  // it may go while others are stopped
    if (found == nullptr || !found->is.takes_enqcmd()) continue;
    const AssignedDevice device = found->is;
    if (stopped.insert(device.function).second) device.stop(thread, host);
  }
}

// Whoever waits for user space's answer in the device is answered by the host, once the entry is
// gone; only then is it drained, and only then may the number be another's.
void Iommufd::detach_from(Thread& thread, ObjectId id, Pasid pasid, Instant since) {
  Device& device = *objects_.find<Device>(id);
  Attachment& attachment = device.attachments.at(pasid);
  const Pasid host = attachment.host;
  const ObjectId hwpt = attachment.hwpt;
  IommuDriver& driver = *device.is.driver;
  attachment.leaving = true;
  tell_detached(device, pasid);
  if (device.is.mediated) {
    // It waits for its page requests; from now on the host answers them.
    answer_for_user(thread, hwpt, {id, pasid});
    device.is.stop(thread, host);
    if (only_slice_with(pasid, device)) stop_where_enqcmd_leads(thread, device, host);
  }
  {
    const Guard guard(driver.pasid_mutex(), thread);
    if (takes_whole_function(device, pasid)) {
      driver.detach(thread, device.is.function);
    } else if (!injection.skips(FlowStep::guest_unbind_tear_down, host)) {
      driver.tear_down(thread, device.is.function, host);
    }
  }
  std::erase_if(device.incomplete, [host](const PageRequest& one) { return one.pasid == host; });
  if (!injection.skips(FlowStep::guest_unbind_answer, host))
    answer_for_user(thread, hwpt, {id, pasid});
  if (!takes_whole_function(device, pasid) &&
      !injection.skips(FlowStep::guest_unbind_drain, host)) {
    const Guard guard(driver.pasid_mutex(), thread);
    driver.drain_page_requests(thread, device.is.function, host, objects_.hwpt(hwpt)->entry.domain);
  }
  tell_bound(EventKind::unbind, device, pasid, host, since);
  device.attachments.erase(pasid);
  move({id, pasid}, hwpt, no_object);
  if (device.is.mediated) give_back_number(pasid, host);
  ++stats.detached;
}

Errno Iommufd::attach(Thread& thread, ObjectId id, ObjectId hwpt) {
  Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return Errno::enoent;
  const Instant since = engine_.now();
  const Pin pin(objects_, id);
  const Guard guard(*device->mutex, thread);
  thread.run(params_.attach);
  return device->attachments.contains(no_pasid) ? replace_with(thread, id, no_pasid, hwpt)
                                                : attach_to(thread, id, no_pasid, hwpt, since);
}

Errno Iommufd::detach(Thread& thread, ObjectId id) { return pasid_detach(thread, id, no_pasid); }

Errno Iommufd::pasid_attach(Thread& thread, ObjectId id, Pasid pasid, ObjectId hwpt) {
  Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return Errno::enoent;
  const Instant since = engine_.now();
  const Pin pin(objects_, id);
  const Guard guard(*device->mutex, thread);
  thread.run(params_.attach);
  if (pasid == no_pasid) return Errno::einval;
  return attach_to(thread, id, pasid, hwpt, since);
}

Errno Iommufd::pasid_replace(Thread& thread, ObjectId id, Pasid pasid, ObjectId hwpt) {
  Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return Errno::enoent;
  const Pin pin(objects_, id);
  const Guard guard(*device->mutex, thread);
  thread.run(params_.attach);
  if (pasid == no_pasid) return Errno::einval;
  return replace_with(thread, id, pasid, hwpt);
}

Errno Iommufd::pasid_detach(Thread& thread, ObjectId id, Pasid pasid) {
  Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return Errno::enoent;
  const Instant since = engine_.now();
  const Pin pin(objects_, id);
  const Guard guard(*device->mutex, thread);
  thread.run(params_.detach);
  if (device->attachments.contains(pasid)) detach_from(thread, id, pasid, since);
  return Errno::ok;
}

std::optional<Pasid> Iommufd::host_pasid(ObjectId id, Pasid pasid) const {
  const Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return {};
  const auto found = device->attachments.find(pasid);
  if (found == device->attachments.end()) return {};
  return found->second.host;
}

bool Iommufd::attached(ObjectId id, Pasid pasid) const {
  const Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return false;
  const auto found = device->attachments.find(pasid);
  return found != device->attachments.end() && !found->second.leaving;
}

std::size_t Iommufd::attachments() const {
  std::size_t count = 0;
  for (const ObjectId id : objects_.all<Device>())
    count += objects_.find<Device>(id)->attachments.size();
  return count;
}

}  // namespace viosim
