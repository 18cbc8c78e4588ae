// Guest's PASIDs to the host's, and the host's page requests to the guest.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/hypervisor.hpp"

#include "models/vmm/viommu.hpp"

#include <vector>

namespace viosim {

Hypervisor::Hypervisor(VirtualMachine& machine, VfioContainer& container, PasidScope scope)
    : machine_(machine), container_(container), scope_(scope) {
  container.listen(*this);
  machine.on_close([&container](Thread& thread) { container.close(thread); });
}

Result<Pasid> Hypervisor::acquire(Thread& thread, Pasid guest) {
  if (scope_ == PasidScope::system_wide) return guest;
  if (const auto found = mapped_.find(guest); found != mapped_.end()) {
    ++found->second.users;
    return found->second.host;
  }
  const Result<Pasid> host = machine_.ioctl(thread, [&] {
    return container_.alloc_pasid(thread, {1, pasid_max.value()});
  });
  if (host.ok()) mapped_[guest] = {host.value(), 1};
  return host;
}

// After the host's tables have forgotten it; then the guest may use its number again.
void Hypervisor::release(Thread& thread, Pasid guest) {
  const auto found = mapped_.find(guest);
  if (found == mapped_.end() || --found->second.users > 0) return;
  const ioasid::Ioasid host = found->second.host.value();
  mapped_.erase(found);
  machine_.ioctl(thread, [&] { return container_.free_pasids(thread, {host, host}); });
}

std::optional<Pasid> Hypervisor::host_of(Pasid guest) const {
  if (scope_ == PasidScope::system_wide) return guest;
  const auto found = mapped_.find(guest);
  if (found == mapped_.end()) return {};
  return found->second.host;
}

void Hypervisor::faults_forwarded() {
  ++machine_.paths.host_interrupts;
  machine_.raise_eventfd([this](Thread& thread) {
    const Guard guard(machine_.emulation(), thread);
    deliver_faults(thread);
  });
}

void Hypervisor::deliver_faults(Thread& thread) {
  std::vector<Viommu*> told;
  for (const ForwardedFault& fault : container_.read_faults()) {
    const auto behind = behind_.find(fault.device);
    if (behind == behind_.end()) {
      answer(thread, fault, PageResponseCode::invalid);
      continue;
    }
    behind->second->push_page_request(thread, fault);
    if (told.empty() || told.back() != behind->second) told.push_back(behind->second);
  }
  for (Viommu* viommu : told) viommu->page_request_interrupt(thread);
}

void Hypervisor::answer(Thread& thread, const ForwardedFault& fault, PageResponseCode code) {
  if (!fault.request.last) return;
  PageResponseOrder order;
  order.pasid = fault.request.pasid.value();
  order.group = fault.request.group;
  order.code = code == PageResponseCode::success ? 0 : code == PageResponseCode::invalid ? 1 : 2;
  machine_.ioctl(thread, [&] { return container_.page_response(thread, fault.device, order); });
}

}  // namespace viosim
