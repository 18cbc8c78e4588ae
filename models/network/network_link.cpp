// Sending in turns.
// SPDX-License-Identifier: Apache-2.0
#include "models/network/network_link.hpp"

#include <algorithm>

namespace viosim {

Ps NetworkLinkParams::time_for(Bytes bytes) const { return viosim::time_for(bytes, bandwidth); }

void NetworkLane::send(Thread& thread, Bytes bytes) {
  ++stats.messages;
  stats.bytes += bytes.count();
  for (std::uint64_t left = bytes.count(); left > 0;) {
    const Bytes part(std::min(left, params_.chunk.count()));
    const Ps time = params_.time_for(part);
    const Guard guard(turn, thread);
    thread.sleep(time);
    stats.busy += time;
    left -= part.count();
  }
  thread.sleep(params_.latency);
}

}  // namespace viosim
