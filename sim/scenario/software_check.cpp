// Checks of accelerators, processes and guests.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/software_check.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/assignments.hpp"
#include "sim/scenario/interface_check.hpp"
#include "sim/scenario/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace viosim {
namespace {

// `reserved`: what results call other parts.
void take_name(std::set<std::string>& names, const std::string& name, const std::string& whose,
               const Where& where) {
  if (names.insert(name).second) return;
  (where / "name")
      .reject(fmt::format("read {}; expected a name that nothing else of {} has", quote_short(name),
                          whose));
}

std::string host_text(const HostConfig& host) { return fmt::format("host \"{}\"", host.name); }

void check_pasids(const PasidLimits& pasids, std::uint32_t width, const Where& where) {
  const std::uint32_t highest = width == 0 || width > 20 ? 0xfffff : (1U << width) - 1;
  const std::uint32_t most = pasids.max_pasid == 0 ? highest : pasids.max_pasid;
  if (most > highest)
    (where / "max_pasid").reject(fmt::format("read {}; expected at most {}", most, highest));
  if (pasids.min_pasid > most) {
    (where / "min_pasid")
        .reject(fmt::format("read {}; expected at most {}, the highest", pasids.min_pasid, most));
  }
  for (std::size_t i = 0; i < pasids.reserved.size(); ++i) {
    if (pasids.reserved[i] == 0 || pasids.reserved[i] > highest) {
      (where / "reserved" / i)
          .reject(fmt::format("read {}; expected 1 to {}: 0 is no process' anyway",
                              pasids.reserved[i], highest));
    }
  }
}

class SoftwareChecker {
 public:
  SoftwareChecker(const HostConfig& host, const Where& where)
      : host_(host), where_(where), devices_(accelerators_of(host)) {}

  void run() {
    check_names();
    check_parameters();
    note_assigned();
    for (std::size_t p = 0; p < host_.processes.size(); ++p) check_own(p);
    for (std::size_t g = 0; g < host_.guests.size(); ++g)
      check_guest(host_.guests[g], where_ / "guests" / g);
  }

 private:
  // Devices and IOMMUs have been checked for themselves.
  void check_names() {
    std::set<std::string> names{"kernel"};
    for (const IommuConfig& iommu : host_.iommus) names.insert(name_of(iommu));
    for (std::size_t i = 0; i < host_.devices.size(); ++i) {
      const std::string& name = name_of_device(host_.devices[i]);
      if (name == "kernel")
        (where_ / "devices" / i / "name")
            .reject("read \"kernel\"; expected another name: results call the host's kernel so");
      names.insert(name);
    }
    for (std::size_t i = 0; i < host_.guests.size(); ++i)
      take_name(names, host_.guests[i].name, host_text(host_), where_ / "guests" / i);
    for (std::size_t i = 0; i < host_.processes.size(); ++i)
      take_name(names, host_.processes[i].name, host_text(host_), where_ / "processes" / i);
  }

  // Those that would have no effect.
  void check_parameters() const {
    const bool other = std::any_of(host_.devices.begin(), host_.devices.end(), [](const auto& one) {
      return !std::holds_alternative<AcceleratorDevice>(one);
    });
    if (!other && host_.kernel != HostKernelParams{}) {
      (where_ / "kernel")
          .reject(
              fmt::format("read it on a host without devices of model \"dma\" or \"recording\"; "
                          "expected \"software\", which drives accelerators"));
    }
  }

  void note_assigned() {
    for (const auto& guests : assignments_of(host_, where_)) {
      for (const auto& functions : guests) {
        for (const AssignedFunction& function : functions) {
          if (!function.slice) {
            assigned_.insert(function.on_host);
          } else {
            sliced_queues_[function.on_host] += function.slice->count;
          }
        }
      }
    }
  }

  void check_own(std::size_t p) const {
    const ProcessesConfig& processes = host_.processes[p];
    const Where where = where_ / "processes" / p;
    check_memory(host_.software.process_memory, "the host's process_memory", processes, where);
    for (const auto& [at, device] : check_devices(processes, devices_, host_text(host_), where)) {
      const std::string name = name_of(devices_[device.group], device.index);
      if (assigned_.contains(device)) {
        at.reject(
            fmt::format("read \"{}\", which is assigned to a guest; expected an accelerator of "
                        "the host's own",
                        name));
      } else if (nothing_left_of(device)) {
        at.reject(
            fmt::format("read \"{}\", all of whose queues are slices of guests; expected one "
                        "with some left for the host",
                        name));
      }
    }
  }

  bool nothing_left_of(DeviceNumber device) const {
    const auto sliced = sliced_queues_.find(device);
    if (sliced == sliced_queues_.end()) return false;
    const auto& name = devices_[device.group].name;
    return std::any_of(host_.devices.begin(), host_.devices.end(), [&](const DeviceConfig& one) {
      const auto* accelerator = std::get_if<AcceleratorDevice>(&one);
      return accelerator != nullptr && accelerator->name == name && !accelerator->shared_queue &&
             accelerator->queues() <= sliced->second;
    });
  }

  struct Named {
    Where where;
    DeviceNumber device;
  };
  static std::vector<Named> check_devices(const ProcessesConfig& processes,
                                          const std::vector<DeviceGroup>& groups,
                                          const std::string& whose, const Where& where) {
    std::vector<Named> all;
    std::set<DeviceNumber> seen;
    for (std::size_t i = 0; i < processes.devices.size(); ++i) {
      const Where at = where / "devices" / i;
      bool twice = false;
      for (const DeviceNumber device : find_devices(processes.devices[i], groups, at, whose)) {
        all.push_back({at, device});
        if (seen.insert(device).second || std::exchange(twice, true)) continue;
        at.reject(fmt::format("read {}; expected each device once: it has \"{}\" again",
                              quote_short(processes.devices[i]),
                              name_of(groups[device.group], device.index)));
      }
    }
    return all;
  }

  void check_guest(const GuestConfig& guest, const Where& where) const {
    const std::string whose = fmt::format("guest \"{}\"", guest.name);
    const std::vector<DeviceGroup> devices = devices_of(guest, host_);
    std::set<std::string> names{
        "kernel", "vfio", "iommufd", "emulation_lock", "pasid_translation", "migration"};
    check_interface(guest, host_, where);
    for (const DeviceGroup& device : devices) names.insert(device.name);
    for (std::size_t v = 0; v < guest.viommus.size(); ++v) {
      take_name(names, guest.viommus[v].name, whose, where / "viommus" / v);
    }
    for (std::size_t p = 0; p < guest.processes.size(); ++p) {
      const Where at = where / "processes" / p;
      take_name(names, guest.processes[p].name, whose, at);
      check_devices(guest.processes[p], devices, whose, at);
      check_memory(Bytes(guest.params.memory.count() / 2), "half of the guest's memory",
                   guest.processes[p], at);
      if (guest.processes[p].params.without_pasid) {
        (at / "without_pasid")
            .reject(
                "read true in a guest; expected false: a vIOMMU shadows page tables of requests "
                "with "
                "PASIDs only");
      }
    }
    for (std::size_t a = 0; a < guest.assign.size(); ++a)
      check_viommu(guest, guest.assign[a].viommu, where / "assign" / a / "viommu");
  }

  static void check_viommu(const GuestConfig& guest, const std::string& name, const Where& where) {
    std::vector<std::string_view> names;
    for (const ViommuConfig& viommu : guest.viommus) names.emplace_back(viommu.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    const std::string_view nearest = nearest_name(name, names);
    std::string message = fmt::format("read {}; expected the name of a vIOMMU of guest \"{}\"",
                                      quote_short(name), guest.name);
    if (names.empty()) message += ", which has none (\"viommus\")";
    if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
    where.reject(std::move(message));
  }

  static void check_memory(Bytes memory, std::string_view what, const ProcessesConfig& processes,
                           const Where& where) {
    const Bytes window = processes.params.work.traffic.window;
    if (window <= memory) return;
    (where / "work" / "traffic" / "window")
        .reject(fmt::format("read \"{}\"; expected at most \"{}\", {}, which the processes share",
                            to_text(window), to_text(memory), what));
  }

  const HostConfig& host_;
  const Where& where_;
  std::vector<DeviceGroup> devices_;
  std::set<DeviceNumber> assigned_;  // whole
  std::map<DeviceNumber, std::uint32_t> sliced_queues_;
};

}  // namespace

void AcceleratorDevice::check(const Where& where) const {
  if (shared_queue && function.queues != FunctionParams{}.queues) {
    (where / "queues")
        .reject("read it with \"shared_queue\"; expected \"engines\" there: they are its queues");
  }
  check_pasids(pasids, pasid_width, where / "pasids");
  if (!page_requests && pri != PriParams{})
    (where / "pri").reject("read it with \"page_requests\": false; expected true");
}

void ProcessesConfig::check(const Where& where) const {
  constexpr std::uint64_t limit = std::uint64_t{1} << 47U;
  if (params.base.value() >= limit ||
      params.work.traffic.window.count() > limit - params.base.value()) {
    (where / "base")
        .reject(fmt::format("read {:#x}; expected base and window to end below 2^47, the end of "
                            "canonical addresses",
                            params.base.value()));
  }
}

void GuestConfig::check(const Where& where) const {
  if (shut_down && processes.empty()) {
    (where / "shut_down")
        .reject(
            "read true in a guest without processes; expected some: it shuts down when they "
            "have exited");
  }
}

bool HostConfig::has_software() const {
  return !guests.empty() || !processes.empty() || !accelerators_of(*this).empty();
}

std::uint64_t places_of_software(const HostConfig& host) {
  if (!host.has_software()) return 0;
  std::uint64_t places = 1;
  for (const DeviceGroup& group : accelerators_of(host)) places += 2 * group.count;
  for (const GuestConfig& guest : host.guests) {
    std::size_t functions = 0;
    for (const DeviceGroup& group : devices_of(guest, host)) functions += group.count;
    places += std::uint64_t{guest.count} * Guest::numbers_of(guest.viommus.size(), functions);
  }
  return places;
}

void check_software(const HostConfig& host, const Where& where) {
  if (host.has_software()) {
    SoftwareChecker(host, where).run();
  } else if (host.software != HostParams{}) {
    (where / "software")
        .reject(
            "read it on a host without accelerators, processes and guests; expected some, or "
            "\"kernel\", which serves other devices");
  }
}

}  // namespace viosim
