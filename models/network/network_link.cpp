// Sending in turns.
// SPDX-License-Identifier: Apache-2.0
#include "models/network/network_link.hpp"

#include <algorithm>

namespace viosim {

Ps NetworkLinkParams::time_for(Bytes bytes) const { return viosim::time_for(bytes, bandwidth); }

Bytes NetworkLane::send(Thread& thread, Bytes bytes, const std::function<bool()>& goes_on) {
  ++stats.messages;
  std::uint64_t sent = 0;
  while (sent < bytes.count()) {
    const Bytes part(std::min(bytes.count() - sent, params_.chunk.count()));
    const Ps time = params_.time_for(part);
    const Guard guard(turn, thread);
    // Also when it has waited for its turn meanwhile.
    if (sent > 0 && goes_on && !goes_on()) break;
    thread.sleep(time);
    stats.busy += time;
    stats.bytes += part.count();
    sent += part.count();
  }
  thread.sleep(params_.latency);
  return Bytes(sent);
}

}  // namespace viosim
