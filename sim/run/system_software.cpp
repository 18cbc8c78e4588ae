// Gives a host its software, and accelerators to it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/system.hpp"

#include <algorithm>

namespace viosim {

bool has_accelerators(const HostConfig& host, const IommuConfig& iommu) {
  return std::any_of(host.devices.begin(), host.devices.end(), [&](const DeviceConfig& device) {
    const auto* accelerator = std::get_if<AcceleratorDevice>(&device);
    return accelerator != nullptr && accelerator->iommu == name_of(iommu);
  });
}

void System::build_software(const HostConfig& config, HostSystem& host) {
  const HostSoftware::Setting setting{
      engine_,
      tracer_,
      add_component_,
      [this](const TrafficParams& traffic) { return zipf_for(traffic); },
      [this](std::uint32_t count) { return std::exchange(next_number_, next_number_ + count); },
      [this](std::string_view path) { return guest_moves_to(path); },
      scenario_.seed,
      until_};
  host.software = std::make_unique<HostSoftware>(config, host.path, host.memory, setting);
  for (const IommuConfig& iommu : config.iommus) {
    if (!has_accelerators(config, iommu)) continue;
    IommuSystem& system = iommu_named(host.path + '.' + name_of(iommu));
    system.page_request_queue = add_component_(system.iommu->path() + ".page_request_queue");
    host.software->add_unit(name_of(iommu), system.vtd->unit, system.vtd->driver,
                            system.page_request_queue);
  }
}

std::vector<std::string> System::guest_moves_to(std::string_view path) const {
  std::vector<std::string> hosts;
  for (const auto& event : scenario_.events) {
    const auto* move = std::get_if<MigrateGuest>(&event.action);
    if (move == nullptr || !move->migrate.matches(path)) continue;
    const std::string& to = move->to.text();
    if (std::find(hosts.begin(), hosts.end(), to) == hosts.end()) hosts.push_back(to);
  }
  return hosts;
}

void System::build_links() {
  for (const LinkConfig& config : scenario_.links) {
    LinkSystem& system = links_.emplace_back(engine_, config.name, config.params);
    system.forth = add_component_(config.name + ".forth");
    system.back = add_component_(config.name + ".back");
    system.first = software_at(config.between[0]);
    system.second = software_at(config.between[1]);
  }
}

// Null: the host has no software.
Host* System::software_at(const std::string& path) {
  const auto found = std::find_if(hosts_.begin(), hosts_.end(),
                                  [&](const HostSystem& host) { return host.path == path; });
  ensure(found != hosts_.end(), "a valid scenario links a host that is not there");
  return found->software ? &found->software->host() : nullptr;
}

std::pair<NetworkLane*, NetworkLane*> System::lanes(const Host& from, const Host& to) {
  for (LinkSystem& link : links_) {
    if (link.first == &from && link.second == &to) return {&link.link.forth, &link.link.back};
    if (link.first == &to && link.second == &from) return {&link.link.back, &link.link.forth};
  }
  return {nullptr, nullptr};
}

void System::build_accelerators(const AcceleratorDevice& config, const HostConfig& host_config,
                                HostSystem& host) {
  for (std::uint32_t i = 0; i < config.count; ++i) {
    const Bdf source(static_cast<std::uint16_t>(next_function_++));
    host.software->add_accelerator(config, i, source, host_config.memory.latency);
  }
}

}  // namespace viosim
