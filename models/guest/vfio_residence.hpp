// A guest's residence by the host interface of 2019-2021: a VFIO container.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/residence.hpp"
#include "models/host/vfio_container.hpp"
#include "models/vmm/vfio_flow.hpp"

#include <cstdint>

namespace viosim {

class VfioResidence final : public Residence {
 public:
  // `number`: the container's place in the order of events.
  VfioResidence(Host& host, VirtualMachine& machine, const VfioParams& params, PasidScope scope,
                std::uint32_t number)
      : Residence(host, machine),
        container_(host.engine, machine.path(), params, host.ids, host.kernel.workers, entry(),
                   number),
        flow_(machine, container_, scope) {}

  HostFlow& flow() override { return flow_; }
  VfioContainer* container() override { return &container_; }
  bool empty() const override {
    return container_.pasids() == 0 && container_.bindings() == 0 &&
           container_.pending_faults() == 0;
  }

 private:
  std::size_t add_device(const AssignedDevice& device, Bdf /*guest_address*/) override {
    return container_.add_device(device);
  }
  Errno open_files(Thread& thread) override {
    return machine_.ioctl(thread, [&] { return container_.open(thread); });
  }
  void close_files(Thread& thread) override { container_.close(thread); }
  GuestFaultTaker& faults() override { return container_; }

  VfioContainer container_;
  VfioFlow flow_;
};

}  // namespace viosim
