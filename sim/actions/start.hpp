// Event action: devices that were stopped or reset issue requests again; processes start.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct StartDevices {
  static constexpr Alternative alternative{
      "start", "Devices that were stopped or reset issue requests again, or processes start."};
  PathPattern start;

  static constexpr auto fields() {
    return Fields{
        required("start", &StartDevices::start,
                 "Devices that issue requests again; after a reset their page requests are enabled "
                 "first. Or processes that start: of those with \"starts\": false.")};
  }
  bool operator==(const StartDevices&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
