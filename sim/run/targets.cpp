// Finds what actions act on in a system.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/targets.hpp"

#include "sim/run/components.hpp"
#include "sim/run/system.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace viosim {
namespace {

// Parts of a system are in the order of their components.
template <class Parts>
auto* part_of(Parts& parts, std::uint32_t component) {
  const auto found = std::lower_bound(
      parts.begin(), parts.end(), component,
      [](const auto& part, std::uint32_t wanted) { return part.component < wanted; });
  return found != parts.end() && found->component == component ? &*found : nullptr;
}

DeviceControl control_of(DmaFabric& fabric, const System::DmaSystem& device) {
  const std::uint32_t number = device.device;
  return {device.component, [&fabric, number] { fabric.stop(number); },
          [&fabric, number] { fabric.start(number); },
          [&fabric, number](Ps interval) { fabric.set_interval(number, interval); }, nullptr};
}

DeviceControl control_of(const System::AtsSystem& ats) {
  AtsDevice& device = *ats.device;
  return {ats.component, [&device] { device.stop(false); },
          [&device] {
            if (!device.page_requests_enabled()) device.enable_page_requests();
            device.start();
          },
          [&device](Ps interval) { device.set_interval(interval); }, [&device] { device.reset(); }};
}

// The one that `find` gives of some host's software.
template <class Control, class Find>
std::optional<Control> of_software(System& system, Find find) {
  for (const System::HostSystem& host : system.hosts()) {
    if (!host.software) continue;
    if (std::optional<Control> control = find(*host.software)) return control;
  }
  return std::nullopt;
}

std::optional<GuestControl> control_of(HostSoftware& software, std::uint32_t component) {
  HostSoftware::GuestSystem* const guest = part_of(software.guests(), component);
  if (guest == nullptr) return std::nullopt;
  GuestControl control;
  control.component = component;
  if (!guest->config->boots) control.boot = [&software, guest] { return software.boot(*guest); };
  control.shut_down = [guest] { return HostSoftware::shut_down(*guest); };
  control.kill = [guest] { return HostSoftware::kill(*guest); };
  return control;
}

std::optional<ProcessControl> control_of(HostSoftware& software,
                                         std::deque<HostSoftware::Processes>& all,
                                         HostSoftware::GuestSystem* guest,
                                         std::uint32_t component) {
  HostSoftware::Processes* const found = part_of(all, component);
  if (found == nullptr) return std::nullopt;
  ProcessControl control;
  control.component = component;
  if (!found->config->starts)
    control.start = [&software, found, guest] { return software.start(*found, guest); };
  control.kill = [found, guest] { return HostSoftware::kill(*found, guest); };
  return control;
}

std::optional<ProcessControl> processes_of(HostSoftware& software, std::uint32_t component) {
  if (auto own = control_of(software, software.processes(), nullptr, component)) return own;
  for (HostSoftware::GuestSystem& guest : software.guests()) {
    if (auto its = control_of(software, guest.processes, &guest, component)) return its;
  }
  return std::nullopt;
}

// Of a guest that is not that component itself.
std::optional<PlugControl> part_of_guest(HostSoftware::GuestSystem& system,
                                         std::uint32_t component) {
  Guest& guest = *system.guest;
  for (const HostSoftware::ViommuParts& viommu : system.viommus) {
    if (viommu.component != component) continue;
    return PlugControl{component, [&](Unplug how) { return guest.unplug_unit(viommu.name, how); },
                       [&] { return guest.plug_unit(viommu.name); }, false};
  }
  for (std::size_t i = 0; i < system.drivers.size(); ++i) {
    if (system.drivers[i] != component) continue;
    return PlugControl{component, [&guest, i](Unplug how) { return guest.unplug_function(i, how); },
                       [&guest, i] { return guest.plug_function(i); }, system.slices[i]};
  }
  return std::nullopt;
}

std::optional<PlugControl> plug_of(HostSoftware& software, std::uint32_t component) {
  if (auto* const accelerator = part_of(software.accelerators(), component)) {
    if (!accelerator->driver) return std::nullopt;
    return PlugControl{
        component,
        [&software, accelerator](Unplug how) { return software.unplug(*accelerator, how); },
        [&software, accelerator] { return software.host().plug(*accelerator->driver); }, false};
  }
  for (HostSoftware::GuestSystem& guest : software.guests()) {
    if (std::optional<PlugControl> control = part_of_guest(guest, component)) return control;
  }
  return std::nullopt;
}

}  // namespace

template <class Control, class Find>
std::vector<Control> Targets::all(const PathPattern& pattern, const Where& where,
                                  std::string_view what, Find find) const {
  std::vector<Control> controls;
  for (const std::uint32_t component : components_.resolve(pattern, where)) {
    std::optional<Control> control = find(component);
    if (!control) {
      where.reject(fmt::format("read {}, which is not {}; expected the path of {}",
                               quote_short(components_.path(component)), what, what));
      return {};
    }
    controls.push_back(std::move(*control));
  }
  return controls;
}

std::vector<DeviceControl> Targets::devices(const PathPattern& pattern, const Where& where) const {
  return all<DeviceControl>(pattern, where, "a device of model \"dma\"",
                            [&](std::uint32_t component) -> std::optional<DeviceControl> {
                              if (const auto* dma = part_of(system_.dma_devices(), component))
                                return control_of(system_.fabric(), *dma);
                              if (const auto* ats = part_of(system_.ats_devices(), component))
                                return control_of(*ats);
                              return std::nullopt;
                            });
}

std::vector<HostControl> Targets::hosts(const PathPattern& pattern, const Where& where) const {
  return all<HostControl>(pattern, where, "a host",
                          [&](std::uint32_t component) -> std::optional<HostControl> {
                            const auto* host = part_of(system_.hosts(), component);
                            if (host == nullptr) return std::nullopt;
                            return HostControl{component, host->kernel.get()};
                          });
}

std::vector<IommuControl> Targets::iommus(const PathPattern& pattern, const Where& where) const {
  return all<IommuControl>(pattern, where, "an IOMMU",
                           [&](std::uint32_t component) -> std::optional<IommuControl> {
                             const auto* iommu = part_of(system_.iommus(), component);
                             if (iommu == nullptr) return std::nullopt;
                             return IommuControl{component, iommu->invalidator};
                           });
}

std::vector<GuestControl> Targets::guests(const PathPattern& pattern, const Where& where) const {
  return all<GuestControl>(pattern, where, "a guest", [&](std::uint32_t component) {
    return of_software<GuestControl>(
        system_, [&](HostSoftware& software) { return control_of(software, component); });
  });
}

std::vector<Act> Targets::starts(const PathPattern& pattern, const Where& where) const {
  return all<Act>(pattern, where, "a device of model \"dma\", or processes with \"starts\": false",
                  [&](std::uint32_t component) -> std::optional<Act> {
                    if (const auto* dma = part_of(system_.dma_devices(), component))
                      return Act::always(component, control_of(system_.fabric(), *dma).start);
                    if (const auto* ats = part_of(system_.ats_devices(), component))
                      return Act::always(component, control_of(*ats).start);
                    auto processes = of_software<ProcessControl>(
                        system_,
                        [&](HostSoftware& software) { return processes_of(software, component); });
                    if (!processes || !processes->start) return std::nullopt;
                    return Act{component, std::move(processes->start)};
                  });
}

std::vector<Act> Targets::kills(const PathPattern& pattern, const Where& where) const {
  return all<Act>(
      pattern, where, "a guest, or processes", [&](std::uint32_t component) -> std::optional<Act> {
        return of_software<Act>(system_, [&](HostSoftware& software) -> std::optional<Act> {
          if (auto guest = control_of(software, component))
            return Act{component, std::move(guest->kill)};
          if (auto processes = processes_of(software, component))
            return Act{component, std::move(processes->kill)};
          return std::nullopt;
        });
      });
}

std::vector<PlugControl> Targets::pluggable(const PathPattern& pattern, const Where& where) const {
  return all<PlugControl>(
      pattern, where, "a vIOMMU, or an accelerator where a guest or the host's processes use it",
      [&](std::uint32_t component) {
        return of_software<PlugControl>(
            system_, [&](HostSoftware& software) { return plug_of(software, component); });
      });
}

}  // namespace viosim
