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

void System::build_accelerators(const AcceleratorDevice& config, const HostConfig& host_config,
                                HostSystem& host) {
  for (std::uint32_t i = 0; i < config.count; ++i) {
    const Bdf source(static_cast<std::uint16_t>(next_function_++));
    host.software->add_accelerator(config, i, source, host_config.memory.latency);
  }
}

}  // namespace viosim
