// The sources of historic defects.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/defects.hpp"

namespace viosim {

std::string_view source_of(Defect defect) {
  switch (defect) {
    case Defect::d1:
    case Defect::d2:
    case Defect::d4:
    case Defect::d5:
      return "Linux 6.1, drivers/iommu/ioasid.c";
    case Defect::d6:
      return "Linux 6.1, iommu_sva_alloc_pasid";
    case Defect::d7:
      return "the allocator's patches of June 2019, version 4";
    case Defect::e1:
    case Defect::e2:
      return "Linux 6.1, drivers/iommu/intel: PASIDs by virtual command";
    case Defect::h11:
      return "asked in the review of April 2019; Linux 5.5 to 6.3";
    case Defect::no_owner_check:
      return "merged kernels of 5.7 to 6.0, intel_svm_bind_gpasid";
    case Defect::early_wait:
    case Defect::eject_busy:
      return "assumed: of hypervisors, from the specification's order";
    case Defect::shared_domain:
      return "assumed: what VT-d 3.0, 6.2.3.1, forbids";
  }
  return {};
}

}  // namespace viosim
