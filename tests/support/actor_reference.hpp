// The small model once more, as one would write it without thinking of speed: an actor per device,
// straight on SimGrid. The engine and its models must agree with it on every request.
// SPDX-License-Identifier: Apache-2.0
//
// It shares with the models what is data (parameters, table and descriptor layouts, the memory, the
// traffic generators) and nothing that decides when or in which order things happen: no agenda, no
// run-ahead, no production cache, IOMMU or queue.
#pragma once

#include "tests/support/small_model.hpp"

#include <memory>

namespace viosim::test {

enum class Keep : std::uint8_t { every_request, counts_only };

class ActorReference {
 public:
  // The model outlives the reference.
  explicit ActorReference(const SmallModel& model, Keep keep = Keep::every_request);
  ~ActorReference();
  ActorReference(const ActorReference&) = delete;
  ActorReference& operator=(const ActorReference&) = delete;

  SmallRun run();  // once

 private:
  class Simulation;
  std::unique_ptr<Simulation> simulation_;
};

}  // namespace viosim::test
