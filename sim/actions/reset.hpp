// Event action: function-level reset.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct ResetDevices {
  static constexpr Alternative alternative{"reset", "Function-level reset of devices."};
  PathPattern reset;

  static constexpr auto fields() {
    return Fields{required(
        "reset", &ResetDevices::reset,
        "Devices with `ats` that lose their requests in flight, their TLB and their page request "
        "groups, and are silent until a `start`.")};
  }
  bool operator==(const ResetDevices&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
