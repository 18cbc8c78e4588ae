// Where a guest lives: what it has on one host, which is all that its end leaves behind there. Its vIOMMUs,
// its memory's contents and its kernel know of it only by the interfaces that it gives them.
// SPDX-License-Identifier: Apache-2.0
//
// On the host's side: a second-stage table with a domain of its own, frames behind it, the files by which
// the hypervisor has functions and PASIDs, and the functions. vfio_residence.hpp is one kind of files.
#pragma once

#include "models/host/host.hpp"
#include "models/iommu/page_table.hpp"
#include "models/kernel/function_driver.hpp"
#include "models/vmm/host_flow.hpp"
#include "models/vmm/pasid_translation.hpp"
#include "models/vmm/virtual_machine.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

namespace viosim {

class Iommufd;
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
    // Of a slice of a function: the host's driver, who keeps it. Slices are told apart by PASIDs only.
    FunctionDriver* parent = nullptr;
    bool shows_page_requests = true;  // to the guest
    bool slice() const { return parent != nullptr; }
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
  virtual Iommufd* file() { return nullptr; }
  const Iommufd* file() const { return const_cast<Residence*>(this)->file(); }
  virtual InjectionPort& injection() = 0;
  virtual const TracePoint& trace() const = 0;  // of its files
  // The host holds nothing for the machine.
  virtual bool empty() const = 0;

  // Before open(). The number by which flow() knows it.
  std::size_t add(const Function& function, Bdf guest_address);
  const Function& function(std::size_t number) const { return functions_[number].is; }
  // The switches of its configuration space.
  FunctionConfig& switches(std::size_t number) { return functions_[number].switches; }
  bool attached(std::size_t number) const { return functions_[number].attached; }
  bool attaches(std::size_t number) const { return functions_[number].taking; }
  bool detaches(std::size_t number) const { return functions_[number].giving_back; }
  // For the guest: there is no slice that it does not have.
  bool present(std::size_t number) const;
  // Of its vCPUs' ENQCMD; null: they carry the guest's numbers as they are.
  PasidTranslation* pasid_translation() { return translation_ ? &*translation_ : nullptr; }

  // A function as a whole is this machine's from now on until close(). -EBUSY: it is another one's.
  Errno claim(std::size_t number);
  // It goes out of the machine's slot, and comes back into it, while it stays the machine's.
  void take_out(std::size_t number);
  void put_in(std::size_t number);

  // For threads of the hypervisor's process, which call into the host's kernel.
  Errno open(Thread& thread) { return open_files(thread); }
  // -EBUSY: it is attached, or another machine's. -ENODEV: a slice of a function that the host's driver has not got.
  Errno attach(Thread& thread, std::size_t number);
  void detach(Thread& thread, std::size_t number);
  // For threads in the host's kernel. Nothing of the guest's runs on while its address spaces are
  // taken down.
  void close(Thread& thread);

 protected:
  Residence(Host& host, VirtualMachine& machine);
  // Of requests without a PASID: they use the machine's memory.
  const vtd::PasidEntry& entry() const { return entry_; }

  virtual std::size_t add_device(const AssignedDevice& device, Bdf guest_address) = 0;
  virtual Errno open_files(Thread& thread) = 0;
  virtual void close_files(Thread& thread) = 0;
  // As attach() and detach(); then by threads in the kernel, after close_files().
  virtual Errno take(Thread& thread, std::size_t number) = 0;
  virtual void give_back(Thread& thread, std::size_t number) = 0;
  virtual void reclaim(Thread& thread, std::size_t number) = 0;
  // Who is told of its functions' page requests, and by which number of each.
  virtual GuestFaultTaker& faults() = 0;
  virtual std::size_t number_of_faults(std::size_t number) const { return number; }
  virtual bool translates(const Function& function) const = 0;  // its vCPUs' PASIDs, for ENQCMD

  // Steps of these, with the pasid mutex held; and who gets its page requests. forget(): whether it was
  // known by us.
  Errno know(Thread& thread, std::size_t number);
  bool forget(Thread& thread, std::size_t number);
  Errno route(std::size_t number);
  void unroute(std::size_t number);

  VirtualMachine& machine_;

 private:
  struct Held {
    Function is;
    AtsFunctionConfig switches;
    bool known = false;        // to the driver of its IOMMU, by us
    bool taking = false;       // a call is on it
    bool giving_back = false;  // the same
    bool attached = false;     // page requests are routed
  };

  Host::Given& given(std::size_t number) { return host_.given[functions_[number].is.device]; }

  Host& host_;
  PageTable second_stage_;
  vtd::PasidEntry entry_;
  std::deque<Held> functions_;
  std::optional<PasidTranslation> translation_;
};

}  // namespace viosim
