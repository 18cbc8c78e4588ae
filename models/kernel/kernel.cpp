// Putting a kernel together.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/kernel.hpp"

namespace viosim {

Kernel::Kernel(Engine& engine, const std::string& path, const KernelParams& params,
               std::uint32_t cpu_count, std::uint32_t number, const ioasid::SpaceOptions& space)
    : cpus(engine, path + ".cpus", cpu_count),
      workers(engine, cpus, path, number),
      pasids(engine, path + ".pasids", params.pasids, space),
      pasid_mutex(engine, path + ".pasid_mutex", params.pasid_mutex_wake),
      sva(engine, path, params.sva, pasids, pasid_mutex),
      engine_(engine),
      path_(path),
      params_(params) {}

Kernel::Unit::Unit(Kernel& kernel, KernelIommu& iommu, vtd::Tables& tables,
                   KernelPageRequests& queue)
    : driver(kernel.engine_, kernel.params_.iommu_driver, iommu, tables, kernel.pasid_mutex),
      requests(kernel.engine_, iommu.path() + ".page_requests", kernel.params_.page_request_thread,
               queue, driver, kernel.workers),
      faults(kernel.engine_, iommu.path() + ".io_page_faults", kernel.params_.io_page_faults,
             kernel.sva, requests, kernel.workers) {}

Kernel::Unit& Kernel::add_unit(KernelIommu& iommu, vtd::Tables& tables, KernelPageRequests& queue) {
  Unit& unit = units_.emplace_back(*this, iommu, tables, queue);
  sva.add_iommu(unit.driver, &unit.requests, &unit.faults);
  return unit;
}

}  // namespace viosim
