// What a hot-added unit must be able to do.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/kernel_iommu.hpp"

namespace viosim {

Errno may_hot_add(const IommuAbilities& running, const IommuAbilities& added) {
  if (running.pass_through && !added.pass_through) return Errno::enxio;
  if ((running.large_pages & ~added.large_pages) != 0) return Errno::enxio;
  const bool narrower = added.address_width < running.address_width ||
                        (running.address_widths & ~added.address_widths) != 0 ||
                        added.domain_bits < running.domain_bits ||
                        added.pasid_bits < running.pasid_bits ||
                        added.max_address_mask < running.max_address_mask;
  return narrower ? Errno::efault : Errno::ok;
}

}  // namespace viosim
