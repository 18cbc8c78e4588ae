// The share of its work that a run has done.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/run_state.hpp"

#include <algorithm>

namespace viosim {
namespace {

// Requests of one device in the whole run, as far as they can be told.
double expected(const Workload& work, std::optional<double> passed) {
  const auto sent = static_cast<double>(work.sent);
  const double until_duration = passed && *passed > 0 ? sent / *passed : sent;
  if (!work.left) return until_duration;
  const double all = sent + static_cast<double>(*work.left);
  // One that has not begun yet says nothing about its pace.
  return passed && work.sent != 0 ? std::min(all, until_duration) : all;
}

}  // namespace

RunState run_state(Instant reached, std::optional<Ps> duration, bool fills_duration,
                   const std::vector<Workload>& workloads) {
  RunState state{reached, duration, 0, 0};
  std::optional<double> passed;
  if (duration) {
    passed =
        std::min(1.0, static_cast<double>(reached.ps()) / static_cast<double>(duration->count()));
  }
  double all = 0;
  for (const Workload& work : workloads) {
    state.requests += work.sent;
    all += expected(work, passed);
  }
  const bool by_time = passed && (fills_duration || all == 0);
  if (by_time) {
    state.share = *passed;
  } else if (all > 0) {
    state.share = std::min(1.0, static_cast<double>(state.requests) / all);
  }
  return state;
}

RunState run_state(Instant reached, const Scenario& scenario, const System& system) {
  std::vector<Workload> workloads;
  for (std::size_t device = 0; device < system.fabric().devices(); ++device)
    workloads.push_back(system.fabric().workload(device));
  for (const System::AtsSystem& ats : system.ats_devices())
    workloads.push_back(ats.device->workload());
  for (const TracePlayer& player : system.players()) workloads.push_back(player.workload());
  const bool migrates =
      std::any_of(scenario.hosts.begin(), scenario.hosts.end(),
                  [](const HostConfig& host) { return host.kernel.migrate_every > Ps(0); });
  return run_state(reached, scenario.duration, migrates, workloads);
}

}  // namespace viosim
