// A hypervisor on the host interface of today: an iommufd file.
// SPDX-License-Identifier: Apache-2.0
//
// One IOAS with the guest's memory and one FAULT; behind each IOMMU of the host that the guest has
// devices of a nest parent and a VIOMMU; for each PASID of a device a nested page table.
#pragma once

#include "models/host/iommufd.hpp"
#include "models/vmm/host_flow.hpp"
#include "models/vmm/virtual_machine.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace viosim {

class IommufdFlow final : public HostFlow {
 public:
  // `memory`: the guest's, as the host has it.
  IommufdFlow(VirtualMachine& machine, Iommufd& file, const iommufd::Mapping& memory)
      : machine_(machine), file_(file), memory_(memory) {}

  // The guest will see it at this address. Its number is in the order of additions.
  std::size_t add_device(const AssignedDevice& device, Bdf guest_address);
  // Opens the file, and gives it the guest's memory and all devices that were added; for a thread of
  // the process. The first error of the host's, with which the machine cannot start.
  Errno open(Thread& thread);
  // The same without devices.
  Errno open_file(Thread& thread, const iommufd::Mapping& memory);
  // One that was added later, and taken away.
  Errno plug(Thread& thread, std::size_t device);
  void unplug(Thread& thread, std::size_t device);

  // What the host's page request thread knows the device by.
  iommufd::ObjectId object_of(std::size_t device) const { return devices_[device].id; }

  // Two calls: a page table is made, and attached.
  Errno bind(Thread& thread, const GuestSpace& space) override;
  // Three: it is made, takes the other's place, and that one is destroyed.
  Errno replace(Thread& thread, const GuestSpace& space) override;
  // Two: detached, destroyed.
  void unbind(Thread& thread, std::size_t device, Pasid pasid) override;
  // One, behind each IOMMU, for as many as there are.
  void invalidate(Thread& thread, std::span<const GuestFlush> flushes) override;
  void invalidate_directly(Thread& thread, std::span<const GuestFlush> flushes) override;

  void listen(GuestFaultListener& listener) override {
    listener_ = &listener;
    if (fault_ != iommufd::no_object) file_.listen(fault_, listener);
  }
  std::vector<ForwardedFault> read_faults(Thread& thread) override;
  Errno respond(Thread& thread, const GuestAnswer& answer) override;
  std::size_t waiting_faults() const override { return file_.pending_faults(); }
  void answer_for_guest(Thread& thread) override;

  bool same_numbers(std::size_t device) const override { return !devices_[device].is.mediated; }
  std::optional<Pasid> host_of(std::size_t device, Pasid pasid) const override;
  bool bound(std::size_t device, Pasid pasid) const override {
    return file_.attached(devices_[device].id, pasid);
  }
  std::size_t mapped() const override { return tables_.size(); }
  void close(Thread& thread) override { file_.close(thread); }

 private:
  using ObjectId = iommufd::ObjectId;
  struct Device {
    AssignedDevice is;
    Bdf guest_address;
    ObjectId id;
  };
  struct Unit {  // a physical IOMMU
    ObjectId parent;
    ObjectId viommu;
  };
  // For each VIOMMU, in the order of their first flush.
  using Commands = std::vector<std::pair<ObjectId, std::vector<vtd::DescriptorBits>>>;
  using Space = std::pair<std::size_t, Pasid>;
  using Group = std::tuple<std::size_t, Pasid, std::uint16_t>;

  // A call that makes an object, or its error.
  template <class F>
  Errno make(Thread& thread, ObjectId& id, F&& call) {
    const Result<ObjectId> made = machine_.ioctl(thread, std::forward<F>(call));
    if (made.ok()) id = made.value();
    return made.error();
  }
  Errno set_up_unit(Thread& thread, const Device& device);
  Errno make_table(Thread& thread, const GuestSpace& space, ObjectId& id);
  void destroy(Thread& thread, ObjectId id);
  Commands commands_of(std::span<const GuestFlush> flushes) const;
  void forget_faults(std::size_t device, Pasid pasid);

  VirtualMachine& machine_;
  Iommufd& file_;
  iommufd::Mapping memory_;
  GuestFaultListener* listener_ = nullptr;
  ObjectId ioas_;
  ObjectId fault_;
  std::vector<Device> devices_;
  std::map<const IommuDriver*, Unit> units_;  // found by it, never gone through
  std::map<Space, ObjectId> tables_;
  std::map<Group, std::uint32_t> cookies_;  // of groups that the guest has not answered
};

}  // namespace viosim
