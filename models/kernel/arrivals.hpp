// Waiting for what is on its way to a device.
// SPDX-License-Identifier: Apache-2.0
//
// Software comes before hardware at one instant. Who slept as long as a write travels would go on before the
// write of that very instant has arrived.
#pragma once

#include "core/des/engine.hpp"
#include "models/cpu/thread.hpp"
#include "models/event_order.hpp"

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>

namespace viosim {

class Arrivals final : private EventHandler {
 public:
  Arrivals(Engine& engine, std::string name) : engine_(engine), arrived_(engine, std::move(name)) {}

  // Returns when all has arrived that was sent by now, and takes at most so long.
  void wait(Thread& thread, Ps latency) {
    constexpr std::uint32_t last = std::numeric_limits<std::uint32_t>::max();
    const std::uint64_t mine = ++sent_;
    on_their_way_.insert(mine);
    engine_.agenda().schedule(engine_.now() + latency, rank(EventClass::message, last), *this,
                              mine);
    while (on_their_way_.contains(mine)) {
      ++waiting_;
      thread.wait(arrived_);
      --waiting_;
    }
  }

 private:
  void fire(std::uint64_t which) override {
    on_their_way_.erase(which);
    for (std::uint32_t thread = 0; thread < waiting_; ++thread) arrived_.raise();
  }

  Engine& engine_;
  Signal arrived_;
  std::uint64_t sent_ = 0;
  std::set<std::uint64_t> on_their_way_;
  std::uint32_t waiting_ = 0;
};

}  // namespace viosim
