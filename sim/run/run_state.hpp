// How far a run is: what its onlookers are told.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "models/device/dma_fabric.hpp"
#include "sim/run/system.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace viosim {

struct RunState {
  Instant reached;
  std::optional<Ps> duration;  // of the scenario
  std::uint64_t requests = 0;  // sent, or records played
  double share = 0;            // of the whole work, from 0 to 1
};

// Work is counted in requests. Devices that the duration stops go on as they did until now.
// `fills_duration`: something works until then in any case.
RunState run_state(Instant reached, std::optional<Ps> duration, bool fills_duration,
                   const std::vector<Workload>& workloads);

// Of a system that runs.
RunState run_state(Instant reached, const Scenario& scenario, const System& system);

}  // namespace viosim
