// Where a guest lives: what it has on one host, which is all that its end leaves behind there. Its vIOMMUs,
// its memory's contents and its kernel know of it only by the interfaces that it gives them.
// SPDX-License-Identifier: Apache-2.0
//
// On the host's side: a second-stage table with a domain of its own, frames behind it, the files by which
// the hypervisor has functions and PASIDs, and the functions. vfio_residence.hpp is one kind of files.
#pragma once

#include "models/host/host.hpp"
#include "models/iommu/page_table.hpp"
#include "models/vmm/host_flow.hpp"
#include "models/vmm/virtual_machine.hpp"

#include <cstddef>
#include <deque>

namespace viosim {

class VfioContainer;

class Residence {
 public:
  // A function of the host that the machine has.
  struct Function {
    AtsDevice* device = nullptr;
    SharedQueue* shared = nullptr;
    Host::Unit* unit = nullptr;
    Ps link{0};
    IommuFunction capabilities{};
  };

  Residence(const Residence&) = delete;
  Residence& operator=(const Residence&) = delete;
  virtual ~Residence() = default;

  Host& host() const { return host_; }
  // Of the machine's memory: filled by who puts frames behind it.
  PageTable& second_stage() { return second_stage_; }
  // How the hypervisor asks this host.
  virtual HostFlow& flow() = 0;
  const HostFlow& flow() const { return const_cast<Residence*>(this)->flow(); }
  // Null: the machine has another kind of files.
  virtual VfioContainer* container() { return nullptr; }
  // The host holds nothing for the machine.
  virtual bool empty() const = 0;

  // Before open(). The number by which flow() knows it.
  std::size_t add(const Function& function, Bdf guest_address);
  const Function& function(std::size_t number) const { return functions_[number].is; }
  // The switches of its configuration space.
  FunctionConfig& switches(std::size_t number) { return functions_[number].switches; }
  bool attached(std::size_t number) const { return functions_[number].attached; }

  // For threads of the hypervisor's process, which call into the host's kernel.
  Errno open(Thread& thread) { return open_files(thread); }
  Errno attach(Thread& thread, std::size_t number);
  // For threads in the host's kernel. close(): nothing of the guest's runs on while its address spaces
  // are taken down.
  void detach(Thread& thread, std::size_t number);
  void close(Thread& thread);

 protected:
  Residence(Host& host, VirtualMachine& machine);
  // Of requests without a PASID: they use the machine's memory.
  const vtd::PasidEntry& entry() const { return entry_; }

  virtual std::size_t add_device(const AssignedDevice& device, Bdf guest_address) = 0;
  virtual Errno open_files(Thread& thread) = 0;
  virtual void close_files(Thread& thread) = 0;
  // Who is told of its functions' page requests.
  virtual GuestFaultTaker& faults() = 0;

  VirtualMachine& machine_;

 private:
  struct Held {
    Function is;
    AtsFunctionConfig switches;
    bool attached = false;
  };
  Errno take(Thread& thread, std::size_t number);

  Host& host_;
  PageTable second_stage_;
  vtd::PasidEntry entry_;
  std::deque<Held> functions_;
};

}  // namespace viosim
