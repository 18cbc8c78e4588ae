// Which objects a guest's devices, address spaces, flushes and page requests become.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/iommufd_flow.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace viosim {

using iommufd::VtdStage1;

namespace {

vtd::DescriptorBits command_of(const GuestFlush& flush, Bdf guest_address) {
  vtd::Descriptor command;
  command.pasid = flush.pasid;
  command.address = flush.address;
  command.address_mask = flush.address_mask;
  if (flush.what == GuestFlush::What::pages_of_device_tlb) {
    command.type = vtd::DescriptorType::pasid_device_tlb;
    command.source = guest_address;
    return command.encode();
  }
  command.type = vtd::DescriptorType::pasid_iotlb;
  const bool whole = flush.what == GuestFlush::What::pasid;
  command.granularity = whole ? vtd::Granularity::pasid : vtd::Granularity::page;
  command.leaf_only = flush.leaf_only;
  return command.encode();
}

// A guest's wait is over when this was done, so that no command may be left out. None: the file is
// closed already. What the IOMMU or a function did not do in time the host's driver has told.
void require_taken(const iommufd::Invalidated& taken, std::size_t commands) {
  ensure(taken.error == Errno::enoent || taken.entries == commands,
         "a host refuses a flush that its hypervisor made of its guest's");
}

}  // namespace

std::size_t IommufdFlow::add_device(const AssignedDevice& device, Bdf guest_address) {
  devices_.push_back({device, guest_address, iommufd::no_object});
  return devices_.size() - 1;
}

Errno IommufdFlow::open_file(Thread& thread, const iommufd::Mapping& memory) {
  Errno error = make(thread, ioas_, [&] { return file_.ioas_alloc(thread); });
  if (error == Errno::ok)
    error = machine_.ioctl(thread, [&] { return file_.ioas_map(thread, ioas_, memory); });
  if (error == Errno::ok) error = make(thread, fault_, [&] { return file_.fault_alloc(thread); });
  if (error == Errno::ok && listener_ != nullptr) file_.listen(fault_, *listener_);
  return error;
}

Errno IommufdFlow::open(Thread& thread) {
  Errno error = open_file(thread, memory_);
  for (std::size_t device = 0; device < devices_.size() && error == Errno::ok; ++device)
    error = plug(thread, device);
  return error;
}

Errno IommufdFlow::set_up_unit(Thread& thread, const Device& device) {
  if (units_.contains(device.is.driver)) return Errno::ok;
  Unit unit;
  const Errno error = make(thread, unit.parent, [&] {
    return file_.hwpt_alloc(thread,
                            {.device = device.id, .parent = ioas_, .flags = iommufd::nest_parent});
  });
  if (error != Errno::ok) return error;
  const Errno then =
      make(thread, unit.viommu, [&] { return file_.viommu_alloc(thread, device.id, unit.parent); });
  if (then == Errno::ok) units_[device.is.driver] = unit;
  return then;
}

// Requests without a PASID use the guest's physical addresses.
Errno IommufdFlow::plug(Thread& thread, std::size_t number) {
  Device& device = devices_[number];
  Errno error = make(thread, device.id, [&] { return file_.bind(thread, device.is); });
  if (error == Errno::ok) error = set_up_unit(thread, device);
  if (error != Errno::ok) return error;
  const Unit unit = units_.at(device.is.driver);
  ObjectId vdevice;
  error = make(thread, vdevice, [&] {
    return file_.vdevice_alloc(thread, unit.viommu, device.id, device.guest_address.value());
  });
  if (error != Errno::ok) return error;
  return machine_.ioctl(thread, [&] { return file_.attach(thread, device.id, unit.parent); });
}

void IommufdFlow::unplug(Thread& thread, std::size_t number) {
  const auto first = [&] { return tables_.lower_bound({number, Pasid(0)}); };
  for (auto at = first(); at != tables_.end() && at->first.first == number; at = first())
    unbind(thread, number, at->first.second);
  const ObjectId id = std::exchange(devices_[number].id, iommufd::no_object);
  if (id == iommufd::no_object) return;
  machine_.ioctl(thread, [&] {
    file_.unbind(thread, id);
    return Errno::ok;
  });
}

Errno IommufdFlow::make_table(Thread& thread, const GuestSpace& space, ObjectId& id) {
  const Device& device = devices_[space.device];
  const auto unit = units_.find(device.is.driver);
  if (unit == units_.end()) return Errno::enodev;
  VtdStage1 stage1;
  stage1.root = Gpa(space.entry.first_level.value());
  stage1.address_width = space.entry.first_level_mode == 1 ? 57 : 48;
  if (space.entry.supervisor_requests) stage1.flags |= VtdStage1::supervisor;
  if (space.entry.extended_accessed) stage1.flags |= VtdStage1::extended_accessed;
  if (space.entry.write_protect) stage1.flags |= VtdStage1::write_protect;
  const bool faults = device.is.forwards_page_requests;
  return make(thread, id, [&] {
    return file_.hwpt_alloc(thread, {.device = device.id,
                                     .parent = unit->second.viommu,
                                     .flags = faults ? iommufd::fault_id_valid : 0,
                                     .fault = faults ? fault_ : iommufd::no_object,
                                     .stage1 = stage1});
  });
}

void IommufdFlow::destroy(Thread& thread, ObjectId id) {
  const Errno error = machine_.ioctl(thread, [&] { return file_.destroy(thread, id); });
  ensure(error == Errno::ok, "a hypervisor's page table is still in use");
}

Errno IommufdFlow::bind(Thread& thread, const GuestSpace& space) {
  const ObjectId device = devices_[space.device].id;
  ObjectId table;
  if (const Errno error = make_table(thread, space, table); error != Errno::ok) return error;
  const Errno error = machine_.ioctl(
      thread, [&] { return file_.pasid_attach(thread, device, space.pasid, table); });
  if (error == Errno::ok) {
    tables_[{space.device, space.pasid}] = table;
  } else {
    destroy(thread, table);
  }
  return error;
}

Errno IommufdFlow::replace(Thread& thread, const GuestSpace& space) {
  const ObjectId device = devices_[space.device].id;
  ObjectId table;
  Errno error = make_table(thread, space, table);
  if (error == Errno::ok) {
    error = machine_.ioctl(thread,
                           [&] { return file_.pasid_replace(thread, device, space.pasid, table); });
    if (error != Errno::ok) destroy(thread, table);
  }
  if (error != Errno::ok) {
    unbind(thread, space.device, space.pasid);
    return error;
  }
  forget_faults(space.device, space.pasid);
  destroy(thread, std::exchange(tables_.at({space.device, space.pasid}), table));
  return Errno::ok;
}

void IommufdFlow::unbind(Thread& thread, std::size_t device, Pasid pasid) {
  const auto found = tables_.find({device, pasid});
  if (found == tables_.end()) return;
  const ObjectId table = found->second;
  tables_.erase(found);
  machine_.ioctl(thread, [&] { return file_.pasid_detach(thread, devices_[device].id, pasid); });
  forget_faults(device, pasid);
  destroy(thread, table);
}

// By the VIOMMU's commands, in which one flush of a PASID's IOTLB is for all its devices. One that was
// taken away has nothing bound any more.
IommufdFlow::Commands IommufdFlow::commands_of(std::span<const GuestFlush> flushes) const {
  Commands commands;
  for (const GuestFlush& flush : flushes) {
    const Device& device = devices_[flush.device];
    const auto unit = units_.find(device.is.driver);
    if (unit == units_.end() || device.id == iommufd::no_object) continue;
    const ObjectId viommu = unit->second.viommu;
    auto at = std::find_if(commands.begin(), commands.end(),
                           [&](const auto& one) { return one.first == viommu; });
    if (at == commands.end()) at = commands.insert(at, {viommu, {}});
    const vtd::DescriptorBits command = command_of(flush, device.guest_address);
    if (std::find(at->second.begin(), at->second.end(), command) == at->second.end())
      at->second.push_back(command);
  }
  return commands;
}

void IommufdFlow::invalidate(Thread& thread, std::span<const GuestFlush> flushes) {
  for (const auto& [viommu, array] : commands_of(flushes)) {
    const iommufd::Invalidated taken = machine_.ioctl(thread, [&, id = viommu, &commands = array] {
      return file_.viommu_invalidate(thread, id, commands);
    });
    require_taken(taken, array.size());
  }
}

void IommufdFlow::invalidate_directly(Thread& thread, std::span<const GuestFlush> flushes) {
  for (const auto& [viommu, array] : commands_of(flushes)) {
    const iommufd::Invalidated taken =
        machine_.by_hardware(thread, [&, id = viommu, &commands = array] {
          return file_.hardware_invalidate(thread, id, commands);
        });
    require_taken(taken, array.size());
  }
}

std::vector<ForwardedFault> IommufdFlow::read_faults(Thread& thread) {
  const auto groups = machine_.ioctl(thread, [&] { return file_.read_faults(thread, fault_); });
  std::vector<ForwardedFault> faults;
  for (const iommufd::FaultGroup& group : groups) {
    const auto device = std::find_if(devices_.begin(), devices_.end(), [&](const Device& one) {
      return one.id.value() == group.device;
    });
    ensure(device != devices_.end(), "a page request of a device that the machine does not have");
    const auto number = static_cast<std::size_t>(device - devices_.begin());
    for (const PageRequest& request : group.requests)
      faults.push_back({number, group.pasid, request});
    cookies_[{number, group.pasid, group.requests.back().group}] = group.cookie;
  }
  return faults;
}

Errno IommufdFlow::respond(Thread& thread, const GuestAnswer& answer) {
  const auto found = cookies_.find({answer.device, answer.pasid, answer.group});
  if (found == cookies_.end()) return Errno::einval;
  const bool success = answer.code == PageResponseCode::success;
  const iommufd::FaultResponse response{found->second, success ? 0U : 1U};
  cookies_.erase(found);
  return machine_.ioctl(thread, [&] {
    return file_.write_responses(thread, fault_, {&response, 1});
  });
}

// The host has answered them.
void IommufdFlow::forget_faults(std::size_t device, Pasid pasid) {
  std::erase_if(cookies_, [&](const auto& one) {
    return std::get<0>(one.first) == device && std::get<1>(one.first) == pasid;
  });
}

std::optional<Pasid> IommufdFlow::host_of(std::size_t device, Pasid pasid) const {
  return file_.host_pasid(devices_[device].id, pasid);
}

void IommufdFlow::answer_for_guest(Thread& thread) {
  cookies_.clear();
  machine_.ioctl(thread, [&] {
    file_.answer_for_user(thread, fault_);
    return Errno::ok;
  });
}

}  // namespace viosim
