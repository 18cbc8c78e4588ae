// A guest's residence by the host interface of 2019-2021: a VFIO container.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/residence.hpp"
#include "models/host/vfio_container.hpp"
#include "models/vmm/vfio_flow.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace viosim {

class VfioResidence final : public Residence {
 public:
  // `number`: the container's place in the order of events.
  VfioResidence(Host& host, VirtualMachine& machine, const VfioParams& params, PasidScope scope,
                std::uint32_t number);

  HostFlow& flow() override { return flow_; }
  VfioContainer* container() override { return &container_; }
  InjectionPort& injection() override { return container_.injection; }
  const TracePoint& trace() const override { return container_.trace; }
  bool empty() const override {
    return container_.pasids() == 0 && container_.bindings() == 0 &&
           container_.pending_faults() == 0;
  }

 private:
  std::size_t add_device(const AssignedDevice& device, Bdf /*guest_address*/) override {
    return container_.add_device(device);
  }
  Errno open_files(Thread& thread) override;
  void close_files(Thread& thread) override { container_.close(thread); }
  Errno take(Thread& thread, std::size_t number) override;
  void give_back(Thread& thread, std::size_t number) override;
  void reclaim(Thread& thread, std::size_t number) override;
  GuestFaultTaker& faults() override { return container_; }
  // By the aliases of its set, whosever numbers they are.
  bool translates(const Function&) const override { return true; }
  Errno take_whole(Thread& thread, std::size_t number);
  Errno take_slice(Thread& thread, std::size_t number);

  VfioContainer container_;
  VfioFlow flow_;
};

}  // namespace viosim
