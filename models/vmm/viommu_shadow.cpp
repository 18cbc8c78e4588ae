// Binding in the host what the guest has written into its PASID tables, and its answers to page requests.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/viommu.hpp"

namespace viosim {

void Viommu::bind(Thread& thread, const Device& device, Pasid pasid, const vtd::PasidEntry& entry) {
  const Errno error = hypervisor_.host().bind(thread, {device.number, pasid, entry});
  if (error != Errno::ok) return bind_refused(error);
  shadows_[{device.source, pasid}] = {entry, true};
  ++stats.bound;
}

// What the guest's entry was is not what it wants any more, whatever becomes of the new one.
void Viommu::rebind(Thread& thread, const Device& device, Pasid pasid,
                    const vtd::PasidEntry& entry) {
  const ShadowAction begin = decide(nullptr, entry, pasid, rid_pasid(device));
  if (begin != ShadowAction::bind) {
    unbind(thread, device, pasid);
    return begin_without_bind(begin);
  }
  ++stats.rebound;
  ++stats.unbound;
  const Errno error = hypervisor_.host().replace(thread, {device.number, pasid, entry});
  if (error == Errno::ok) {
    shadows_[{device.source, pasid}] = {entry, true};
    ++stats.bound;
    return;
  }
  shadows_.erase({device.source, pasid});
  bind_refused(error);
}

// What becomes of an entry that the host needs no page table of, or can have none of.
void Viommu::begin_without_bind(ShadowAction begin) {
  if (begin == ShadowAction::attach_second_stage) {
    ++stats.attached;
    return;
  }
  ++stats.unsupported;
  bind_refused(Errno::einval);
}

// No descriptor can tell the guest.
void Viommu::bind_refused(Errno error) {
  ++stats.bind_failed;
  ++bind_errors_[error];
  if (params_.kill_on_bind_failure) machine_.kill();
}

// Whether the host still had it bound or not: the guest has it no more.
void Viommu::unbind(Thread& thread, const Device& device, Pasid pasid) {
  const auto found = shadows_.find({device.source, pasid});
  if (found == shadows_.end()) return;
  shadows_.erase(found);
  ++stats.unbound;
  hypervisor_.host().unbind(thread, device.number, pasid);
}

std::vector<GuestSpace> Viommu::bound() const {
  std::vector<GuestSpace> spaces;
  for (const auto& [key, shadow] : shadows_)
    spaces.push_back({device_at(key.source)->number, key.pasid, shadow.guest});
  return spaces;
}

void Viommu::forget(std::size_t number) {
  std::erase_if(shadows_,
                [&](const auto& one) { return device_at(one.first.source)->number == number; });
}

void Viommu::answer_page_request(Thread& thread, const vtd::Descriptor& response) {
  const Device* const device = device_at(response.source);
  const Errno error =
      device == nullptr
          ? Errno::enodev
          : hypervisor_.host().respond(
                thread, {device->number, response.has_pasid ? response.pasid : no_pasid,
                         response.group, response.code});
  ++(error == Errno::ok ? stats.responses : stats.responses_refused);
}

}  // namespace viosim
