// The hypervisor's process of one virtual machine: which vIOMMU each device is behind, and the page
// requests that the host forwards.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/assigned_device.hpp"
#include "models/vmm/host_flow.hpp"
#include "models/vmm/virtual_machine.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace viosim {

class Viommu;

// All calls are for threads of the process that hold its emulation lock, unless they say otherwise.
class Hypervisor final : public GuestFaultListener {
 public:
  // `host`: how it asks its host's kernel; outlives it, and is closed with the machine.
  Hypervisor(VirtualMachine& machine, HostFlow& host);
  Hypervisor(const Hypervisor&) = delete;
  Hypervisor& operator=(const Hypervisor&) = delete;

  VirtualMachine& machine() { return machine_; }
  // The machine has moved: it is another host's kernel that is asked.
  void move_to(HostFlow& host);
  HostFlow& host() { return *host_; }
  const HostFlow& host() const { return *host_; }

  // The device is behind this vIOMMU. Before the run, or when one is plugged.
  void put_behind(std::size_t device, Viommu& viommu) { behind_[device] = &viommu; }
  void take_away(std::size_t device) { behind_.erase(device); }

  // The host's PASID behind one of the guest.
  std::optional<Pasid> host_of(std::size_t device, Pasid guest) const {
    return host_->host_of(device, guest);
  }
  std::size_t mapped() const { return host_->mapped(); }

  // Reads what the host has forwarded, and puts it into the queues of the guest.
  void deliver_faults(Thread& thread);
  // Answers in place of the guest. For threads of the process.
  void answer(Thread& thread, const ForwardedFault& fault, PageResponseCode code);

  void faults_forwarded() override;  // by the host's kernel

 private:
  VirtualMachine& machine_;
  HostFlow* host_;
  std::map<std::size_t, Viommu*> behind_;
};

}  // namespace viosim
