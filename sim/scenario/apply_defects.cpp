// Which parameters a defect is.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/apply_defects.hpp"

#include "sim/scenario/scenario.hpp"

namespace viosim {
namespace {

void apply(Defect defect, GuestConfig& guest) {
  GuestParams& params = guest.params;
  switch (defect) {
    case Defect::d1:
    case Defect::d2:
    case Defect::d4:
      params.allocator.linux_6_1 = true;
      return;
    case Defect::d5:
      params.allocator.keep_live_on_duplicate = false;
      return;
    case Defect::d6:
      params.kernel.sva.max_exclusive = true;
      return;
    case Defect::d7:
      params.allocator.track_beside_live = true;
      return;
    case Defect::e1:
      params.virtual_commands.keep_ids_with_data = true;
      return;
    case Defect::e2:
      params.virtual_commands.truncate_freed_ids = true;
      return;
    case Defect::h11:
      params.allocator.enforce_range = false;
      return;
    case Defect::no_owner_check:
      params.vfio.check_owner = false;
      return;
    case Defect::early_wait:
      for (ViommuConfig& viommu : guest.viommus) viommu.params.early_waits = true;
      return;
    case Defect::eject_busy:
      for (ViommuConfig& viommu : guest.viommus) viommu.params.complete_before_eject = false;
      return;
    case Defect::shared_domain:  // the host's
      return;
  }
}

}  // namespace

void apply_defects(Scenario& scenario) {
  for (const Defect defect : scenario.defects) {
    for (HostConfig& host : scenario.hosts) {
      if (defect == Defect::d6) host.software.kernel.sva.max_exclusive = true;
      if (defect == Defect::shared_domain) host.software.shared_domain = true;
      for (GuestConfig& guest : host.guests) apply(defect, guest);
    }
  }
}

}  // namespace viosim
