// Taking a command and completing it, in the order that the specification asks of the hypervisor.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/virtual_command.hpp"

namespace viosim {

// Capability, then IP, then the response is cleared but for IP, so that the status before is gone.
std::optional<VirtualCommand::Order> VirtualCommand::write(std::uint64_t bits, bool overwrites) {
  if (!pasids_) {
    ++stats.ignored;
    return {};
  }
  if (busy() && !overwrites) {
    ++stats.dropped_busy;
    return {};
  }
  const VcmdCommand command = format_.decode_command(bits);
  ++stats.commands;
  order_ = ++last_number_;
  opcode_ = command.opcode;
  response_ = format_.encode(VcmdResponse{true, 0, Pasid(0)});
  written_ = engine_.now();
  tell_written(command);
  switch (command.opcode) {
    case static_cast<std::uint8_t>(VcmdOpcode::allocate):
    case static_cast<std::uint8_t>(VcmdOpcode::free):
      return Order{order_, command};
    case static_cast<std::uint8_t>(VcmdOpcode::null):
      complete(order_, VcmdFormat::success);
      return {};
    default:
      ++stats.undefined;
      complete(order_, VcmdFormat::undefined);
      return {};
  }
}

bool VirtualCommand::complete(std::uint64_t number, std::uint8_t status, Pasid result,
                              bool unasked) {
  if (number != order_ && !unasked) {
    ++stats.late;
    return false;
  }
  tell_done(number, result, status);
  order_ = 0;
  if (status != VcmdFormat::success) count_failed();
  response_ = format_.encode(VcmdResponse{false, status, result});
  tell_change();
  return true;
}

void VirtualCommand::count_failed() {
  ++stats.failed;
  if (opcode_ == static_cast<std::uint8_t>(VcmdOpcode::allocate)) ++stats.no_pasid;
  if (opcode_ == static_cast<std::uint8_t>(VcmdOpcode::free)) ++stats.bad_pasid;
}

void VirtualCommand::tell_written(const VcmdCommand& command) const {
  if (!trace.on()) return;
  trace.emit({.kind = EventKind::command,
              .time = written_,
              .pasid = command.pasid,
              .value = order_,
              .code = command.opcode});
}

void VirtualCommand::tell_done(std::uint64_t number, Pasid result, std::uint16_t code) const {
  if (!trace.on()) return;
  trace.emit({.kind = EventKind::command_done,
              .time = engine_.now(),
              .pasid = result,
              .value = number,
              .code = code,
              .duration = engine_.now() - written_});
}

void VirtualCommand::reset() {
  if (busy()) tell_done(order_, Pasid(0), trace_code::command_dropped);
  order_ = 0;
  response_ = 0;
  tell_change();
}

void VirtualCommand::tell_change() {
  if (!expected_) return;
  expected_ = false;
  changed_.raise();
}

}  // namespace viosim
