// Registrations, departures, and who serves after them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/allocators.hpp"

#include <fmt/format.h>

namespace viosim::check {

void Allocators::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::allocator:
      return told(event);
    case EventKind::viommu:
      return presence(event);
    case EventKind::command:
    case EventKind::command_lost:
      return asked(event);
    default:
      return;
  }
}

void Allocators::presence(const TraceEvent& event) {
  if (event.code == trace_code::viommu_there) kept_.erase(event.component);
  if (event.code != trace_code::viommu_gone) {
    gone_.erase(event.component);
    return;
  }
  gone_.insert(event.component);
  const auto kernel = kernels_.find(scene_.machine_of(event.component));
  if (kernel == kernels_.end()) return;
  const auto its = kernel->second.registered.find(event.component);
  if (its != kernel->second.registered.end())
    kernel->second.departed[event.component] = its->second;
}

void Allocators::registered(const TraceEvent& event, Kernel& kernel) {
  kernel.groups[event.component] = event.address;
  const auto departed = kernel.departed.find(event.component);
  const std::uint32_t others = departed == kernel.departed.end() ? 0 : departed->second;
  if (++kernel.registered[event.component] <= 1 + others) return;
  scene_.violate(Invariant::registered_once, event,
                 fmt::format("{} is registered, and was before", scene_.path(event.component)));
}

void Allocators::left(std::uint32_t component, Kernel& kernel) {
  const auto its = kernel.registered.find(component);
  if (its != kernel.registered.end() && --its->second == 0) kernel.registered.erase(its);
  const auto departed = kernel.departed.find(component);
  if (departed != kernel.departed.end() && --departed->second == 0) kernel.departed.erase(departed);
}

void Allocators::told(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  if (event.code == trace_code::allocator_ended) {
    kernels_.erase(machine);
    return;
  }
  if (event.code == trace_code::allocator_kept) {
    kept_.insert(event.component);
    return;
  }
  Kernel& kernel = kernels_[machine];
  if (event.code == trace_code::allocator_registered) {
    registered(event, kernel);
  } else {
    left(event.component, kernel);
  }
  becomes_active(event, kernel, static_cast<std::uint32_t>(event.value));
}

// Also where a vIOMMU has vanished and its kernel has no choice: its numbers are orphans.
void Allocators::becomes_active(const TraceEvent& event, Kernel& kernel, std::uint32_t active) {
  const std::uint32_t before = kernel.active;
  kernel.active = active;
  const std::uint32_t living = scene_.living(scene_.machine_of(event.component));
  const auto name = [this](std::uint32_t one) {
    return one == 0 ? std::string("the kernel itself") : scene_.path(one - 1);
  };
  if (active != 0 && !kernel.registered.contains(active - 1)) {
    scene_.violate(Invariant::active_is_there, event,
                   fmt::format("{} is asked for PASIDs, and is not registered", name(active)));
  }
  if (living == 0) return;
  if (before == 0 && active != 0) {
    scene_.violate(Invariant::late_allocator, event,
                   fmt::format("{} gives PASIDs from now on, while {} of the kernel's own live",
                               name(active), living),
                   scene_.allocations(scene_.machine_of(event.component), {}));
  } else if (before != 0 &&
             kernel.groups[before - 1] != (active == 0 ? 0 : kernel.groups[active - 1])) {
    scene_.violate(Invariant::empty_switch, event,
                   fmt::format("{} gives PASIDs from now on, while {} of {} live", name(active),
                               living, name(before)),
                   scene_.allocations(scene_.machine_of(event.component), {}));
  }
}

void Allocators::asked(const TraceEvent& event) {
  const auto found = kernels_.find(scene_.machine_of(event.component));
  if (found == kernels_.end()) return;
  const bool registered = found->second.registered.contains(event.component);
  if (registered && !kept_.contains(event.component)) return;
  if (!registered) {
    scene_.violate(Invariant::active_is_there, event,
                   fmt::format("{} gets a virtual command, and its allocator is not registered",
                               scene_.path(event.component)));
  }
  const bool answered = static_cast<EventKind>(event.kind) == EventKind::command;
  if (!registered && answered) return;
  scene_.violate(Invariant::idle_eject, event,
                 fmt::format("{} gets a virtual command, and its kernel knows that it is gone",
                             scene_.path(event.component)));
}

}  // namespace viosim::check
