// Which part of a built system is whose point of injections.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/injection.hpp"
#include "sim/run/components.hpp"
#include "sim/run/system.hpp"

#include <vector>

namespace viosim {

// Components by which of the points they have; sim/inject/README.md has the table.
enum class PointHolder : std::uint8_t {
  invalidation_queue,
  page_request_queue,
  page_request_handler,  // where the host has no processes
  viommu,
  driver,
  sva,
  allocator,
  vfio,
  iommufd,
  pasid_translation,
  function
};
bool has_point(PointHolder holder, InjectionPoint point);

struct WiredComponent {
  std::uint32_t component;
  PointHolder holder;
};

// Connects every model of the system that lets itself be disturbed, and says which these are. Before
// the run; the injector outlives it.
std::vector<WiredComponent> wire_injections(Injector& injector, System& system,
                                            const ComponentIndex& components);

}  // namespace viosim
