// The host's page requests to the guest.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/hypervisor.hpp"

#include "models/vmm/viommu.hpp"

#include <vector>

namespace viosim {

Hypervisor::Hypervisor(VirtualMachine& machine, HostFlow& host) : machine_(machine), host_(&host) {
  host.listen(*this);
  machine.on_close([this](Thread& thread) { host_->close(thread); });
}

void Hypervisor::move_to(HostFlow& host) {
  host_ = &host;
  host.listen(*this);
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
  for (const ForwardedFault& fault : host_->read_faults(thread)) {
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
  host_->respond(thread, {fault.device, fault.guest_pasid, fault.request.group, code});
}

}  // namespace viosim
