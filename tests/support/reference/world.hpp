// What the parts of the reference share: the actors' turns, the memory, the model, and what is counted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/event_order.hpp"
#include "tests/support/actor_reference.hpp"
#include "tests/support/turns.hpp"

#include <deque>
#include <vector>

namespace viosim::test::reference {

using Self = Turns::Self;

// Remembers that it was raised until somebody waits for it.
struct SoftwareSignal {
  std::uint64_t left_over = 0;
  std::deque<Self*> waiters;
};

// Who asks the IOMMU.
struct Requester {
  const SmallModel::Device& is;
  std::uint32_t number;
};

struct World {
  World(const SmallModel& small_model, Keep what_to_keep)
      : model(small_model),
        keep(what_to_keep),
        tables(memory, model.iommu.mode),
        ring(memory.allocate_frames()),
        small(model, memory, tables, ring),
        executed(model.operators.size()) {
    run.devices.resize(model.devices.size());
    run.operators_done.resize(model.operators.size());
  }

  Instant now() const { return turns.now(); }
  const vtd::UnitParams& params() const { return model.iommu; }
  bool scalable() const { return params().mode == vtd::Mode::scalable; }
  bool by_source() const { return params().iotlb_tag == IotlbTag::source; }

  void turn(Self& self, EventClass event_class, std::uint32_t device, std::uint64_t ticket) {
    turns.take_turn(self, {static_cast<int>(event_class), device, ticket});
  }

  void raise(SoftwareSignal& signal) {
    if (signal.waiters.empty()) {
      ++signal.left_over;
      return;
    }
    Self& first = *signal.waiters.front();
    signal.waiters.pop_front();
    turns.wake(first);
  }

  const SmallModel& model;
  const Keep keep;
  Turns turns;
  PhysicalMemory memory;
  vtd::Tables tables;
  Hpa ring;
  SmallMemory small;
  IommuStats stats;
  SmallRun run;
  std::uint64_t sequence = 0;  // what was decided first is done first, all else being equal
  std::vector<SoftwareSignal> executed;  // by number of the operator
  SoftwareSignal faulted;
  SoftwareSignal stopped;  // the invalidation queue
};

}  // namespace viosim::test::reference
