// Binding in the host what the guest has written into its PASID tables, and its answers to page requests.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/viommu.hpp"

namespace viosim {

void Viommu::bind(Thread& thread, const Device& device, Pasid pasid, const vtd::PasidEntry& entry) {
  const Result<Pasid> host = hypervisor_.acquire(thread, pasid);
  if (!host.ok()) return bind_refused(host.error());
  BindGpasid request;
  request.addr_width = entry.first_level_mode == 1 ? 57 : 48;
  request.flags = BindGpasid::gpasid_valid;
  request.root = Gpa(entry.first_level.value());
  request.hpasid = host.value().value();
  request.gpasid = pasid.value();
  if (entry.supervisor_requests) request.vendor_flags |= BindGpasid::supervisor;
  if (entry.extended_accessed) request.vendor_flags |= BindGpasid::extended_accessed;
  const Errno error = machine_.ioctl(
      thread, [&] { return hypervisor_.container().bind_gpasid(thread, device.number, request); });
  if (error != Errno::ok) {
    hypervisor_.release(thread, pasid);
    return bind_refused(error);
  }
  shadows_[{device.source, pasid}] = {entry, host.value(), true};
  ++stats.bound;
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
  const std::uint64_t host = found->second.host_pasid.value();
  shadows_.erase(found);
  ++stats.unbound;
  machine_.ioctl(
      thread, [&] { return hypervisor_.container().unbind_gpasid(thread, device.number, host); });
  hypervisor_.release(thread, pasid);
}

void Viommu::unbind_all(Thread& thread) {
  while (!shadows_.empty()) {
    const ShadowKey key = shadows_.begin()->first;
    unbind(thread, *device_at(key.source), key.pasid);
  }
}

void Viommu::answer_page_request(Thread& thread, const vtd::Descriptor& response) {
  const Device* const device = device_at(response.source);
  const auto host = response.has_pasid ? hypervisor_.host_of(response.pasid) : no_pasid;
  if (device == nullptr || !host) {
    ++stats.responses_refused;
    return;
  }
  PageResponseOrder order;
  if (!response.has_pasid) order.flags = 0;
  order.pasid = host->value();
  order.group = response.group;
  order.code = response.code == PageResponseCode::success   ? 0
               : response.code == PageResponseCode::invalid ? 1
                                                            : 2;
  const Errno error = machine_.ioctl(
      thread, [&] { return hypervisor_.container().page_response(thread, device->number, order); });
  ++(error == Errno::ok ? stats.responses : stats.responses_refused);
}

}  // namespace viosim
