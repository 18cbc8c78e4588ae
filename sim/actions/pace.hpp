// Event action: devices issue their requests at another rate.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct PaceDevices {
  static constexpr Alternative alternative{"pace", "Devices issue their requests at another rate."};
  PathPattern pace;
  Ps interval{1};

  static constexpr auto fields() {
    using P = PaceDevices;
    return Fields{
        required("pace", &P::pace, "Devices that issue their requests at another rate."),
        required("interval", &P::interval, "Least time between two requests from the next one on.")
            .from(Ps(1))};
  }
  bool operator==(const PaceDevices&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
