// How a vIOMMU leaves: when its guest has let go of it, or before.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/viommu.hpp"

#include <utility>

namespace viosim {

void Viommu::tell_presence() const {
  if (!ejected_) return tell(EventKind::viommu, trace_code::viommu_there);
  tell(EventKind::viommu, commands_stay_ ? trace_code::viommu_leaves : trace_code::viommu_gone);
}

bool Viommu::answers(std::uint32_t offset) const {
  if (!ejected_) return true;
  const VcmdFormat& format = command_.format();
  return commands_stay_ && (offset == format.capability_at() || offset == format.command_at() ||
                            offset == format.response_at());
}

bool Viommu::completes_commands() {
  return params_.complete_before_eject && !params_.commands_hang &&
         !injection.skips(FlowStep::eject_complete_command);
}

// A guest may write a command while the emulation's lock is waited for. Nobody completes the command of
// a guest that is no more.
void Viommu::eject(Thread& thread) {
  const bool completes = completes_commands();
  for (;;) {
    if (completes) wait_for_command(thread);
    const Guard guard(machine_.emulation(), thread);
    if (ejected_) return;  // by who waited, too
    if (completes && command_.busy() && machine_.guest_runs()) continue;
    leave();
    return unbind_all(thread);
  }
}

// The hypervisor that completes commands goes on with them until the guest's kernel asks for none any
// more: there is no telling when it is going to read a response, and which command it writes next.
// Who finds a register absent gives its flush up, and the pages back: by then nothing is bound.
void Viommu::vanish(Thread& thread, const std::function<void()>& tell_guest) {
  const Guard guard(machine_.emulation(), thread);
  if (!ejected_) {
    commands_stay_ = completes_commands() && machine_.guest_runs();
    leave();
  }
  machine_.inject(thread);
  tell_guest();
  unbind_all(thread);
}

void Viommu::end_commands(Thread& thread) {
  if (!commands_stay_) return;
  wait_for_command(thread);
  const Guard guard(machine_.emulation(), thread);
  end_commands();
}

void Viommu::end_commands() {
  if (!std::exchange(commands_stay_, false)) return;
  if (!machine_.guest_runs()) command_.reset();
  tell_presence();
  command_.reset();
  tell_waiting();
}

void Viommu::guest_stopped() {
  command_.tell_change();
  end_commands();
  tell_waiting();
}

void Viommu::wait_for_command(Thread& thread) {
  while (command_.busy() && machine_.guest_runs()) {
    ++command_waits_;
    thread.wait(command_over_);
    --command_waits_;
  }
}

void Viommu::tell_waiting() {
  for (std::uint32_t i = 0; i < command_waits_; ++i) command_over_.raise();
}

void Viommu::leave() {
  if (!machine_.guest_runs()) command_.reset();  // nobody waits for it any more
  ejected_ = true;
  tell_presence();
  if (!commands_stay_) {
    command_.reset();
    tell_waiting();
  }
  for (const Device& device : devices_) hypervisor_.take_away(device.number);
}

void Viommu::unbind_all(Thread& thread) {
  if (injection.skips(FlowStep::eject_unbind)) return;
  while (!shadows_.empty()) {
    const ShadowKey key = shadows_.begin()->first;
    unbind(thread, *device_at(key.source), key.pasid);
  }
}

}  // namespace viosim
