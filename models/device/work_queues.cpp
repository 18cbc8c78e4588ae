// What the parameters of queues and of their requests may be.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/work_queues.hpp"

#include <fmt/format.h>

namespace viosim {

void FunctionParams::check(const Where& where) const {
  if (queues == 0 || queues > most_queues)
    (where / "queues").reject(fmt::format("read {}; expected 1 to {}", queues, most_queues));
  // Two requests of one function never arrive at one instant: their order needs no further rule.
  if (request_interval < Ps(1))
    (where / "request_interval").reject("read \"0 ps\"; expected at least \"1 ps\"");
}

void DmaParams::check(const Where& where) const {
  constexpr std::uint32_t most_outstanding = 4096;
  if (outstanding == 0 || outstanding > most_outstanding) {
    (where / "outstanding")
        .reject(fmt::format("read {}; expected 1 to {}", outstanding, most_outstanding));
  }
  // Two requests of one device never arrive at one instant: their order needs no further rule.
  if (interval < Ps(1)) (where / "interval").reject("read \"0 ps\"; expected at least \"1 ps\"");
}

}  // namespace viosim
