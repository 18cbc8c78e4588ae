// Connects models with the run's injections.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/injection_wiring.hpp"

#include <map>
#include <string>
#include <string_view>

namespace viosim {
namespace {

class Wiring {
 public:
  Wiring(Injector& injector, const ComponentIndex& components) : injector_(injector) {
    for (std::uint32_t i = 0; i < components.paths().size(); ++i)
      numbers_.emplace(components.path(i), i);
  }

  void add(InjectionPort& port, const std::string& path) {
    const auto found = numbers_.find(path);
    ensure(found != numbers_.end(), "what lets itself be disturbed is no component");
    port.connect(injector_, found->second);
  }

  void add(System::IommuSystem& iommu) {
    if (iommu.vtd == nullptr) return;
    vtd::InvalidationQueue& queue = iommu.vtd->unit.queue();
    queue.injection.connect(injector_, iommu.queue);
    queue.devices().injection.connect(injector_, iommu.queue);
    const std::string pages = iommu.iommu->path() + ".page_request_queue";
    if (numbers_.contains(pages)) add(iommu.vtd->unit.page_requests().injection, pages);
  }

  void add(Kernel& kernel, const std::string& path) {
    add(kernel.sva.injection, path + ".kernel.sva");
    add(kernel.pasids.injection, path + ".kernel.pasids");
  }

  void add(Guest& guest) {
    const std::string& path = guest.machine.path();
    add(guest.kernel, path);
    for (const auto& residence : guest.residences()) {
      const std::string files = residence->container() != nullptr ? ".vfio" : ".iommufd";
      add(residence->injection(), path + files);
      if (PasidTranslation* const translation = residence->pasid_translation())
        add(translation->injection, path + ".pasid_translation");
    }
    for (Guest::Unit& unit : guest.units) {
      add(unit.viommu.injection, unit.viommu.path());
      add(unit.kernel.driver.injection, unit.viommu.path() + ".driver");
    }
  }

  void add(HostSoftware& software) {
    Host& host = software.host();
    add(host.kernel, software.path());
    for (Host::Unit& unit : host.units)
      add(unit.kernel.driver.injection, unit.iommu.path() + ".driver");
    for (HostSoftware::Accelerator& accelerator : software.accelerators())
      accelerator.device->inject_by(injector_);
    for (HostSoftware::GuestSystem& guest : software.guests()) add(*guest.guest);
  }

  void add(System& system) {
    for (System::IommuSystem& iommu : system.iommus()) add(iommu);
    for (const System::AtsSystem& ats : system.ats_devices()) ats.device->inject_by(injector_);
    for (System::HostSystem& host : system.hosts())
      if (host.software) add(*host.software);
  }

 private:
  Injector& injector_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
};

}  // namespace

void wire_injections(Injector& injector, System& system, const ComponentIndex& components) {
  Wiring(injector, components).add(system);
}

}  // namespace viosim
