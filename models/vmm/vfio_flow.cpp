// Structures of the user API of 2019-2021, filled in; a call for each operation and device.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/vfio_flow.hpp"

namespace viosim {
namespace {

BindGpasid order_of(const GuestSpace& space, Pasid host) {
  const vtd::PasidEntry& entry = space.entry;
  BindGpasid request;
  request.addr_width = entry.first_level_mode == 1 ? 57 : 48;
  request.flags = BindGpasid::gpasid_valid;
  request.root = Gpa(entry.first_level.value());
  request.hpasid = host.value();
  request.gpasid = space.pasid.value();
  if (entry.supervisor_requests) request.vendor_flags |= BindGpasid::supervisor;
  if (entry.extended_accessed) request.vendor_flags |= BindGpasid::extended_accessed;
  return request;
}

CacheInvalidate order_of(const GuestFlush& flush, Pasid host) {
  CacheInvalidate request;
  request.pasid = host.value();
  if (flush.what == GuestFlush::What::pasid) return request;
  if (flush.what == GuestFlush::What::pages_of_device_tlb)
    request.caches = CacheInvalidate::device_iotlb;
  request.granularity = CacheInvalidate::Granularity::address;
  request.address = flush.address;
  request.granules = std::uint64_t{1} << flush.address_mask;
  if (flush.leaf_only) request.flags |= CacheInvalidate::leaf;
  return request;
}

}  // namespace

Result<Pasid> VfioFlow::alloc_pasid(Thread& thread) {
  return machine_.ioctl(thread, [&] {
    return container_.alloc_pasid(thread, {1, pasid_max.value()});
  });
}

Errno VfioFlow::free_pasid(Thread& thread, Pasid pasid) {
  const ioasid::Ioasid id = pasid.value();
  return machine_.ioctl(thread, [&] { return container_.free_pasids(thread, {id, id}); });
}

std::vector<Pasid> VfioFlow::given_pasids(Thread& thread) const {
  if (!gives_pasids()) return {};
  return container_.own_pasids(thread);
}

Errno VfioFlow::take_pasid(Thread& thread, Pasid pasid) {
  return machine_.ioctl(thread, [&] { return container_.take_pasid(thread, pasid); });
}

Result<Pasid> VfioFlow::acquire(Thread& thread, Pasid guest) {
  if (scope_ == PasidScope::system_wide) return guest;
  if (const auto found = mapped_.find(guest); found != mapped_.end()) {
    ++found->second.users;
    return found->second.host;
  }
  const Result<Pasid> host = alloc_pasid(thread);
  if (host.ok()) mapped_[guest] = {host.value(), 1};
  return host;
}

// After the host's tables have forgotten it; then the guest may use its number again.
void VfioFlow::release(Thread& thread, Pasid guest) {
  const auto found = mapped_.find(guest);
  if (found == mapped_.end() || --found->second.users > 0) return;
  const Pasid host = found->second.host;
  mapped_.erase(found);
  free_pasid(thread, host);
}

std::optional<Pasid> VfioFlow::host_of(std::size_t /*device*/, Pasid pasid) const {
  if (scope_ == PasidScope::system_wide) return pasid;
  const auto found = mapped_.find(pasid);
  if (found == mapped_.end()) return {};
  return found->second.host;
}

bool VfioFlow::bound(std::size_t device, Pasid pasid) const {
  const auto host = host_of(device, pasid);
  return host && container_.bound(device, *host);
}

Errno VfioFlow::bind(Thread& thread, const GuestSpace& space) {
  const Result<Pasid> host = acquire(thread, space.pasid);
  if (!host.ok()) return host.error();
  const BindGpasid request = order_of(space, host.value());
  const Errno error =
      machine_.ioctl(thread, [&] { return container_.bind_gpasid(thread, space.device, request); });
  if (error != Errno::ok) release(thread, space.pasid);
  return error;
}

Errno VfioFlow::replace(Thread& thread, const GuestSpace& space) {
  unbind(thread, space.device, space.pasid);
  return bind(thread, space);
}

void VfioFlow::unbind(Thread& thread, std::size_t device, Pasid pasid) {
  const auto host = host_of(device, pasid);
  if (!host) return;
  machine_.ioctl(thread, [&] { return container_.unbind_gpasid(thread, device, host->value()); });
  release(thread, pasid);
}

void VfioFlow::invalidate(Thread& thread, std::span<const GuestFlush> flushes) {
  for (const GuestFlush& flush : flushes) {
    const auto host = host_of(flush.device, flush.pasid);
    if (!host) continue;
    const CacheInvalidate request = order_of(flush, *host);
    machine_.ioctl(thread,
                   [&] { return container_.cache_invalidate(thread, flush.device, request); });
  }
}

void VfioFlow::invalidate_directly(Thread& thread, std::span<const GuestFlush> flushes) {
  for (const GuestFlush& flush : flushes) {
    const auto host = host_of(flush.device, flush.pasid);
    if (!host) continue;
    const CacheInvalidate request = order_of(flush, *host);
    machine_.by_hardware(
        thread, [&] { return container_.hardware_invalidate(thread, flush.device, request); });
  }
}

Errno VfioFlow::respond(Thread& thread, const GuestAnswer& answer) {
  const bool has_pasid = answer.pasid != no_pasid;
  const auto host = has_pasid ? host_of(answer.device, answer.pasid) : no_pasid;
  if (!host) return Errno::einval;
  PageResponseOrder order;
  if (!has_pasid) order.flags = 0;
  order.pasid = host->value();
  order.group = answer.group;
  order.code = answer.code == PageResponseCode::success   ? 0
               : answer.code == PageResponseCode::invalid ? 1
                                                          : 2;
  return machine_.ioctl(thread,
                        [&] { return container_.page_response(thread, answer.device, order); });
}

void VfioFlow::answer_for_guest(Thread& thread) {
  machine_.ioctl(thread, [&] {
    container_.answer_for_guest(thread);
    return Errno::ok;
  });
}

}  // namespace viosim
