// The hypervisor's process of one virtual machine: which PASIDs of the host stand behind the guest's,
// and the page requests that the host forwards.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/host/vfio_container.hpp"
#include "models/vmm/virtual_machine.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>

namespace viosim {

enum class PasidScope : std::uint8_t { system_wide, guest_wide };

constexpr auto choices(PasidScope) {
  return std::array{
      Choice{PasidScope::system_wide, "system_wide",
             "the guest's numbers are the host's: it gets them from there"},
      Choice{
          PasidScope::guest_wide, "guest_wide",
          "the guest chooses its numbers; each gets one of the host's behind it when it is bound"}};
}

class Viommu;

// All calls are for threads of the process that hold its emulation lock, unless they say otherwise.
class Hypervisor final : public GuestFaultListener {
 public:
  Hypervisor(VirtualMachine& machine, VfioContainer& container, PasidScope scope);
  Hypervisor(const Hypervisor&) = delete;
  Hypervisor& operator=(const Hypervisor&) = delete;

  VirtualMachine& machine() { return machine_; }
  VfioContainer& container() { return container_; }
  PasidScope scope() const { return scope_; }

  // The container's device is behind this vIOMMU. Before the run, or when one is plugged.
  void put_behind(std::size_t device, Viommu& viommu) { behind_[device] = &viommu; }
  void take_away(std::size_t device) { behind_.erase(device); }

  // The host's PASID behind one of the guest; of guest-wide ones the first user allocates it, and
  // the last one frees it.
  Result<Pasid> acquire(Thread& thread, Pasid guest);
  void release(Thread& thread, Pasid guest);
  std::optional<Pasid> host_of(Pasid guest) const;
  std::size_t mapped() const { return mapped_.size(); }

  // Reads what the host has forwarded, and puts it into the queues of the guest.
  void deliver_faults(Thread& thread);
  // Answers in place of the guest. For threads of the process.
  void answer(Thread& thread, const ForwardedFault& fault, PageResponseCode code);

  void faults_forwarded() override;  // by the host's kernel

 private:
  struct Mapped {
    Pasid host;
    std::uint32_t users = 0;
  };
  VirtualMachine& machine_;
  VfioContainer& container_;
  PasidScope scope_;
  std::map<std::size_t, Viommu*> behind_;
  std::map<Pasid, Mapped> mapped_;
};

}  // namespace viosim
