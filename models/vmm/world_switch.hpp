// What it costs to change worlds, guest to hypervisor to host kernel and back, and how often one
// virtual machine has done it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/base/time.hpp"

#include <cstdint>

namespace viosim {

// Each is paid in two parts, half of it on the way in and the rest on the way out.
struct WorldSwitchParams {
  Ps vm_exit = 1200ns;
  Ps user_exit = 2500ns;
  Ps system_call = 300ns;
  Ps eventfd = 3us;
  Ps injection = 1200ns;
  Ps mutex_wake = 3us;

  static constexpr auto fields() {
    using P = WorldSwitchParams;
    return Fields{
        field("vm_exit", &P::vm_exit,
              "From a guest to the kernel's part of its hypervisor and back.",
              "assumed, 0.7-2 us; SplitX measured 2,000 cycles of direct cost"),
        field("user_exit", &P::user_exit,
              "From there to the hypervisor's process and back: on top of vm_exit.",
              "assumed, 1.5-6 us"),
        field("system_call", &P::system_call,
              "From the hypervisor's process to the host's kernel and back, without what it does "
              "there.",
              "assumed"),
        field("eventfd", &P::eventfd,
              "From the host kernel's raising an event to the thread of the hypervisor that waited "
              "for it.",
              "assumed: waking a thread"),
        field("injection", &P::injection,
              "Injecting an interrupt: telling the kernel, and interrupting the vCPU.",
              "assumed: one exit"),
        field("mutex_wake", &P::mutex_wake,
              "Waking who waited for the hypervisor's lock around the emulation of devices.",
              "assumed: waking a thread")};
  }
  bool operator==(const WorldSwitchParams&) const = default;
};

constexpr Ps way_in(Ps cost) { return cost / 2; }
constexpr Ps way_out(Ps cost) { return cost - cost / 2; }

// How often; the differences around an operation are its path length.
struct PathLengths {
  std::uint64_t kernel_exits = 0;
  std::uint64_t user_exits = 0;
  std::uint64_t kicks = 0;
  std::uint64_t ioctls = 0;
  std::uint64_t host_interrupts = 0;
  std::uint64_t eventfds = 0;
  std::uint64_t injected = 0;

  static constexpr auto fields() {
    using P = PathLengths;
    return Fields{
        metric("kernel_exits", &P::kernel_exits, Unit::count,
               "Exits that the kernel's part of the hypervisor handled."),
        metric("user_exits", &P::user_exits, Unit::count,
               "Exits that went on to the hypervisor's process: registers of its devices."),
        metric("kicks", &P::kicks, Unit::count,
               "Of these, writes to the tail of an invalidation queue."),
        metric("ioctls", &P::ioctls, Unit::count,
               "Calls of the hypervisor into the host's kernel."),
        metric("host_interrupts", &P::host_interrupts, Unit::count,
               "Interrupts of the host that were about this machine's devices."),
        metric("eventfds", &P::eventfds, Unit::count,
               "Events that the host's kernel raised to the hypervisor."),
        metric("injected", &P::injected, Unit::count, "Interrupts injected into the guest.")};
  }
  bool operator==(const PathLengths&) const = default;
  friend PathLengths operator-(PathLengths to, const PathLengths& from) {
    to.kernel_exits -= from.kernel_exits;
    to.user_exits -= from.user_exits;
    to.kicks -= from.kicks;
    to.ioctls -= from.ioctls;
    to.host_interrupts -= from.host_interrupts;
    to.eventfds -= from.eventfds;
    to.injected -= from.injected;
    return to;
  }
};

}  // namespace viosim
