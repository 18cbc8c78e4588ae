// What a guest may have by the interface that its hypervisor has to the host.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/scenario/scenario.hpp"

namespace viosim {

// Reports parameters that would have no effect, and what that interface cannot give. `where`: the
// guest's place.
void check_interface(const GuestConfig& guest, const HostConfig& host, const Where& where);

}  // namespace viosim
