// A guest's residence by the host interface of today: an iommufd file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/residence.hpp"
#include "models/host/iommufd.hpp"
#include "models/vmm/iommufd_flow.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace viosim {

class IommufdResidence final : public Residence {
 public:
  // `memory`: the machine's. `number`: the file's place in the order of events.
  IommufdResidence(Host& host, VirtualMachine& machine, const IommufdParams& params, Bytes memory,
                   std::uint32_t number);

  HostFlow& flow() override { return flow_; }
  Iommufd* file() override { return &file_; }
  InjectionPort& injection() override { return file_.injection; }
  const TracePoint& trace() const override { return file_.trace; }
  bool empty() const override {
    return file_.objects().size() == 0 && file_.attachments() == 0 && file_.pending_faults() == 0;
  }

 private:
  std::size_t add_device(const AssignedDevice& device, Bdf guest_address) override {
    return flow_.add_device(device, guest_address);
  }
  Errno open_files(Thread& thread) override;
  void close_files(Thread& thread) override { file_.close(thread); }
  Errno take(Thread& thread, std::size_t number) override;
  void give_back(Thread& thread, std::size_t number) override;
  void reclaim(Thread& thread, std::size_t number) override;
  GuestFaultTaker& faults() override { return file_; }
  std::size_t number_of_faults(std::size_t number) const override { return routed_[number]; }
  // Of whole functions the guest's numbers are in the function's own table.
  bool translates(const Function& function) const override { return function.slice(); }

  Errno plug(Thread& thread, std::size_t number);
  void tell_own_numbers(Thread& thread, std::size_t number, bool own) const;
  void forget_numbers(Thread& thread, std::size_t number);

  Bytes memory_;
  Iommufd file_;
  IommufdFlow flow_;
  std::vector<std::size_t> routed_;  // the objects of its functions
};

}  // namespace viosim
