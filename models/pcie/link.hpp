// The PCIe link between a device and the root complex.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/time.hpp"

namespace viosim {

struct LinkParams {
  Ps latency = 200ns;

  static constexpr auto fields() {
    return Fields{field("latency", &LinkParams::latency, "One way, device to root complex or back.",
                        "assumed, 120-350 ns; fits a small-read round trip of 850 ns")};
  }
  bool operator==(const LinkParams&) const = default;
};

}  // namespace viosim
