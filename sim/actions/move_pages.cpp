// How a kernel is told to move pages.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/move_pages.hpp"

#include "models/host/host_kernel.hpp"

namespace viosim {

std::vector<Act> MovePages::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (const HostControl& host : targets.hosts(move_pages, where / "move_pages")) {
    if (!host.kernel->has_pages_to_move()) {
      (where / "move_pages")
          .reject(
              "read the path of a host without devices of model \"dma\" or \"recording\" whose "
              "memory is mapped; expected one with some: pages of processes and guests stay where "
              "they are");
      return {};
    }
    acts.push_back(Act::always(host.component,
                               [kernel = host.kernel, to = every] { kernel->migrate_every(to); }));
  }
  return acts;
}

}  // namespace viosim
