// How many actors a scenario asks of the engine.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/actors.hpp"

#include <cstdint>
#include <vector>

namespace viosim {
namespace {

constexpr std::uint64_t most_guarded = 16'000;
constexpr std::uint64_t each_kernel = 16;  // handlers of interrupts and page requests, idle workers

std::uint64_t processes_in(const std::vector<ProcessesConfig>& groups) {
  std::uint64_t sum = 0;
  for (const ProcessesConfig& group : groups) sum += group.count;
  return sum;
}

std::uint64_t actors_of(const HostConfig& host) {
  std::uint64_t sum = each_kernel + processes_in(host.processes);
  for (const GuestConfig& guest : host.guests) {
    sum += guest.count * (each_kernel + processes_in(guest.processes));
  }
  return sum;
}

}  // namespace

Stacks stacks_for(const Scenario& scenario) {
  std::uint64_t sum = 0;
  for (const HostConfig& host : scenario.hosts) sum += host.count * actors_of(host);
  return sum <= most_guarded ? Stacks::guarded : Stacks::unguarded;
}

}  // namespace viosim
