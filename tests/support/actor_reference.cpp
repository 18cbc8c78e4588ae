// The reference put together from its parts; what they do is in tests/support/reference.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/actor_reference.hpp"

#include "tests/support/reference/devices.hpp"

#include <algorithm>
#include <utility>

namespace viosim::test {

class ActorReference::Simulation {
 public:
  Simulation(const SmallModel& model, Keep keep)
      : world_(model, keep),
        caches_(world_),
        walks_(world_, caches_),
        queue_(world_, caches_, walks_),
        software_(world_, queue_),
        devices_(world_, caches_, walks_, software_) {
    software_.spawn();
    queue_.spawn();
    for (std::size_t d = 0; d < model.devices.size(); ++d) devices_.spawn(d);
    devices_.spawn_drivers(software_.actors());
  }

  SmallRun run() {
    world_.turns.run();
    SmallRun& run = world_.run;
    for (SmallRun::Device& device : run.devices)
      std::sort(device.requests.begin(), device.requests.end());
    run.iommu = world_.stats;
    run.contexts = caches_.contexts.stats;
    run.pasids = caches_.pasids.stats;
    run.iotlb = caches_.iotlb.stats;
    return std::move(run);
  }

 private:
  reference::World world_;
  reference::Caches caches_;
  reference::Walks walks_;
  reference::Queue queue_;
  reference::Software software_;
  reference::Devices devices_;
};

ActorReference::ActorReference(const SmallModel& model, Keep keep)
    : simulation_(std::make_unique<Simulation>(model, keep)) {}
ActorReference::~ActorReference() = default;
SmallRun ActorReference::run() { return simulation_->run(); }

}  // namespace viosim::test
