// A hypervisor on the host interface of 2019-2021: a VFIO container with nesting.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/host/vfio_container.hpp"
#include "models/vmm/host_flow.hpp"
#include "models/vmm/virtual_machine.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>

namespace viosim {

enum class PasidScope : std::uint8_t { system_wide, guest_wide };

constexpr auto choices(PasidScope) {
  return std::array{
      Choice{PasidScope::system_wide, "system-wide",
             "the guest's numbers are the host's: it gets them from there"},
      Choice{
          PasidScope::guest_wide, "guest-wide",
          "the guest chooses its numbers; each gets one of the host's behind it when it is bound"}};
}

class VfioFlow final : public HostFlow {
 public:
  VfioFlow(VirtualMachine& machine, VfioContainer& container, PasidScope scope)
      : machine_(machine), container_(container), scope_(scope) {}

  bool gives_pasids() const override { return scope_ == PasidScope::system_wide; }
  Result<Pasid> alloc_pasid(Thread& thread) override;
  Errno free_pasid(Thread& thread, Pasid pasid) override;
  std::vector<Pasid> given_pasids(Thread& thread) const override;
  Errno take_pasid(Thread& thread, Pasid pasid) override;

  Errno bind(Thread& thread, const GuestSpace& space) override;
  // Unbinds, then binds: what the device asks in between is refused.
  Errno replace(Thread& thread, const GuestSpace& space) override;
  void unbind(Thread& thread, std::size_t device, Pasid pasid) override;
  void invalidate(Thread& thread, std::span<const GuestFlush> flushes) override;
  void invalidate_directly(Thread& thread, std::span<const GuestFlush> flushes) override;

  void listen(GuestFaultListener& listener) override { container_.listen(listener); }
  std::vector<ForwardedFault> read_faults(Thread&) override { return container_.read_faults(); }
  Errno respond(Thread& thread, const GuestAnswer& answer) override;
  std::size_t waiting_faults() const override { return container_.pending_faults(); }
  void answer_for_guest(Thread& thread) override;

  bool same_numbers(std::size_t device) const override {
    return scope_ == PasidScope::system_wide && !container_.mediated(device);
  }
  std::optional<Pasid> host_of(std::size_t device, Pasid pasid) const override;
  bool bound(std::size_t device, Pasid pasid) const override;
  std::size_t mapped() const override { return mapped_.size(); }
  void close(Thread& thread) override { container_.close(thread); }

 private:
  struct Mapped {
    Pasid host;
    std::uint32_t users = 0;
  };
  // Of guest-wide PASIDs the first user allocates the host's, and the last one frees it.
  Result<Pasid> acquire(Thread& thread, Pasid guest);
  void release(Thread& thread, Pasid guest);

  VirtualMachine& machine_;
  VfioContainer& container_;
  PasidScope scope_;
  std::map<Pasid, Mapped> mapped_;
};

}  // namespace viosim
