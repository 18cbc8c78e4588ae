// Builds guests, boots them, and starts their processes.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/files_path.hpp"
#include "models/guest/slices.hpp"
#include "sim/run/software_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

void HostSoftware::build_guest(const GuestConfig& config, std::uint32_t index,
                               const std::vector<AssignedFunction>& functions) {
  GuestSystem& system = guests_.emplace_back();
  const auto& add = setting_.add_component;
  const std::string path = path_ + '.' + name_of(DeviceGroup{config.name, config.count}, index);
  system.config = &config;
  system.component = add(path);
  system.guest = std::make_unique<Guest>(
      host_, path, config.params,
      setting_.take_numbers(Guest::numbers_of(config.viommus.size(), functions.size())));
  Guest& guest = *system.guest;
  system.kernel = add_kernel(path + ".kernel", guest.kernel);
  system.virtual_commands = add(path + ".kernel.virtual_commands");
  const bool vfio = config.params.host_interface == HostInterface::vfio;
  std::uint32_t& files = vfio ? system.vfio : system.iommufd;
  files = add(guest.path_of(guest.residence()));
  if (vfio) system.vfio_lock = add(path + ".vfio.lock");
  system.emulation_lock = add(path + ".emulation_lock");
  const std::vector<std::string> hosts = setting_.moves_to(path);
  if (!hosts.empty()) system.migration = add(path + ".migration");
  for (const std::string& host : hosts) {
    if (host == path_) continue;
    const std::string there = path_on_host(path, name_of(config.params.host_interface), host);
    add(there);
    if (vfio) add(there + ".lock");
  }
  for (const ViommuConfig& viommu : config.viommus) {
    const std::string its_path = path + '.' + viommu.name;
    guest.add_unit(viommu.name, viommu.params, viommu.backend);
    const std::uint32_t component = add(its_path);
    system.viommus.push_back(
        {viommu.name, component, add(its_path + ".command_lock"), add_unit_parts(its_path)});
  }
  const std::vector<DeviceGroup> devices = devices_of(config, config_);
  for (const AssignedFunction& function : functions) assign(system, devices, function);
  if (guest.residence().pasid_translation() != nullptr) {
    system.pasid_translation = add(guest.path_of_translation(guest.residence()));
    for (const std::string& host : hosts)
      if (host != path_) add(path_on_host(path, "pasid_translation", host));
  }
  for (const ProcessesConfig& processes : config.processes) {
    std::vector<FunctionDriver*> drivers;
    for (const DeviceNumber number : devices_named(processes.devices, devices)) {
      const auto found =
          std::find_if(functions.begin(), functions.end(),
                       [&](const AssignedFunction& one) { return one.in_guest == number; });
      drivers.push_back(&guest.driver(static_cast<std::size_t>(found - functions.begin())));
    }
    const std::string its_path = path + '.' + processes.name;
    Processes& added = system.processes.emplace_back(
        processes, add(its_path),
        group_of(guest.kernel, guest.memory, guest.frames, processes, std::move(drivers)));
    added.group.exited = [this, &system] { process_exited(system); };
    for (std::uint32_t i = 0; i < processes.count; ++i)
      added.all.emplace_back(added.group, fmt::format("{}[{}]", its_path, i));
    system.running += processes.count;
  }
  if (!config.boots) return;
  host_.kernel.workers.post_at(Instant(config.start + config.every * index),
                               [this, &system](Thread&) { boot(system); });
}

void HostSoftware::assign(GuestSystem& system, const std::vector<DeviceGroup>& devices,
                          const AssignedFunction& function) {
  Accelerator& accelerator = this->accelerator(function.on_host);
  const Residence::Function its = function_of(function.on_host);
  Guest::Assignment assignment;
  assignment.device = its.device;
  assignment.shared = its.shared;
  assignment.host_unit = its.unit;
  assignment.link = its.link;
  assignment.capabilities = its.capabilities;
  assignment.sva = options_of(*accelerator.config);
  assignment.shows_ats = function.ats;
  assignment.driver = accelerator.config->driver;
  if (function.slice) {
    assignment.parent = &own_driver(accelerator);
    assignment.slice = *function.slice;
  }
  system.slices.push_back(function.slice.has_value());
  const std::string name = name_of(devices[function.in_guest.group], function.in_guest.index);
  system.guest->assign(name, assignment, system.guest->units[function.viommu]);
  system.kinds.push_back(accelerator.config);
  system.drivers.push_back(setting_.add_component(system.guest->machine.path() + '.' + name));
}

Residence::Function HostSoftware::function_of(DeviceNumber number) {
  const Accelerator& its = accelerator(number);
  return {its.device.get(), its.shared.get(), its.unit, its.config->link.latency,
          capabilities_of(*its.config)};
}

void HostSoftware::start_processes_of(GuestSystem& system, Thread& thread) {
  for (Processes& processes : system.processes)
    if (processes.config->starts) start_from(thread.now(), processes, &system);
}

std::string_view HostSoftware::unplug(Accelerator& accelerator, Unplug how) {
  std::vector<SliceOfGuest> slices;
  for (GuestSystem& guest : guests_) {
    const Residence& residence = guest.guest->residence();
    for (std::size_t i = 0; i < guest.slices.size(); ++i) {
      if (guest.slices[i] && residence.function(i).parent == accelerator.driver.get())
        slices.push_back({guest.guest.get(), i});
    }
  }
  return unplug_with_slices(host_, *accelerator.driver, std::move(slices), how);
}

void HostSoftware::process_exited(GuestSystem& system) {
  if (--system.running == 0 && system.config->shut_down) shut_down(system);
}

// Slices are of functions that the host's drivers know.
std::string_view HostSoftware::boot(GuestSystem& guest) {
  if (!guest.guest->machine.alive()) return "its machine is gone";
  if (guest.boots) return "it has been booted before";
  const bool has_slices =
      std::find(guest.slices.begin(), guest.slices.end(), true) != guest.slices.end();
  if (has_slices && !booted_) {
    waiting_.push_back(&guest);
    return {};
  }
  guest.boots = true;
  guest.guest->boot([this, &guest](Thread& thread) { start_processes_of(guest, thread); });
  return {};
}

std::string_view HostSoftware::shut_down(GuestSystem& guest) {
  Guest& its = *guest.guest;
  if (!its.machine.guest_runs()) return "it does not run any more";
  if (!its.booted()) return "it has not booted";
  its.kernel.workers.post([&its](Thread& thread) { its.shut_down(thread); });
  return {};
}

std::string_view HostSoftware::kill(GuestSystem& guest) {
  if (!guest.guest->machine.alive()) return "its machine is gone";
  guest.guest->kill();
  return {};
}

}  // namespace viosim
