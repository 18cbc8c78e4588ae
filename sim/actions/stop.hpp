// Event action: the DMA engines of devices issue no further requests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct StopDevices {
  static constexpr Alternative alternative{
      "stop", "Devices issue no further requests; those in flight complete."};
  PathPattern stop;

  static constexpr auto fields() {
    return Fields{required("stop", &StopDevices::stop,
                           "Devices that issue no further requests; those in flight complete.")};
  }
  bool operator==(const StopDevices&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
