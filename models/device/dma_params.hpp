// What a device does with memory: where its requests go, how many and how fast.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/device/traffic.hpp"

#include <array>
#include <cstdint>

namespace viosim {

enum class OnFault : std::uint8_t { abort, retry };

constexpr auto choices(OnFault) {
  return std::array{
      Choice{OnFault::abort, "abort", "the request ends with an error"},
      Choice{OnFault::retry, "retry",
             "the request waits until software has mapped the page, and is sent again"}};
}

struct DmaParams {
  TrafficParams traffic;
  std::uint32_t outstanding = 1;
  Ps interval = 1ns;
  std::uint64_t requests = 0;
  OnFault on_fault = OnFault::abort;

  static constexpr auto fields() {
    using P = DmaParams;
    // Two requests of one device never arrive at one instant: their order needs no further rule.
    return Fields{
        field("traffic", &P::traffic, "Where the requests go."),
        field("outstanding", &P::outstanding, "Requests in flight at a time.").from(1).to(4096),
        field("interval", &P::interval, "Least time between the issue of two requests.", "assumed")
            .from(Ps(1)),
        field("requests", &P::requests,
              "How many requests are sent; 0: as many as fit into the run's duration."),
        field("on_fault", &P::on_fault, "What happens to a request that the IOMMU refuses.")};
  }
  bool operator==(const DmaParams&) const = default;
};

}  // namespace viosim
