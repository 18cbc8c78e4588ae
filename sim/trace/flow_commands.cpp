// Virtual commands, what a host does for them, and what their guest makes of it.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/virtual_command_format.hpp"
#include "sim/trace/flows.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr auto allocates = static_cast<std::uint16_t>(VcmdOpcode::allocate);
constexpr auto frees = static_cast<std::uint16_t>(VcmdOpcode::free);

}  // namespace

// `free` of the guest, where there is one, was before it.
void Flows::command(const Shown& shown) {
  const TraceEvent& event = shown.event;
  const std::uint32_t guest = place_of(event).guest;
  commanding_.insert(guest);
  Id flow = 0;
  if (const auto given = frees_.find({guest, event.pasid});
      given != frees_.end() && event.code == frees) {
    flow = given->second;
    frees_.erase(given);  // what it held is the command's now
  } else {
    flow = begin();
    hold(flow);
  }
  append(flow, shown);
  const auto [at, is_new] = commands_.try_emplace({event.component, event.value});
  const Id forgotten = at->second.flow;
  at->second = {flow, guest, event.pasid, event.code};
  if (!is_new) release(forgotten);
}

void Flows::command_done(const Shown& shown) {
  const TraceEvent& event = shown.event;
  const auto open = commands_.find({event.component, event.value});
  if (open == commands_.end()) return give({shown});
  const OpenCommand command = open->second;
  commands_.erase(open);
  append(command.flow, shown);
  const bool gives = command.opcode == allocates && event.code == 0;
  if (gives && allocations_.try_emplace({command.guest, event.pasid}, command.flow).second) return;
  release(command.flow);
}

// The outstanding one that makes a host allocate for a guest, or free; the owner says for whom.
const Flows::OpenCommand* Flows::command_for(const TraceEvent& event, std::uint16_t opcode) const {
  if (event.value == 0 || event.value > places_.size()) return nullptr;
  const std::uint32_t guest = places_[event.value - 1].guest;
  const auto found = std::find_if(commands_.begin(), commands_.end(), [&](const auto& one) {
    const OpenCommand& command = one.second;
    return guest != 0 && command.guest == guest && command.opcode == opcode &&
           (opcode == allocates || command.pasid == event.pasid);
  });
  return found == commands_.end() ? nullptr : &found->second;
}

// By a host for a guest, or by a guest that has got the number from there.
bool Flows::allocated(const Shown& shown) {
  const TraceEvent& event = shown.event;
  if (const OpenCommand* const asked = command_for(event, allocates)) {
    append(asked->flow, shown);
    return true;
  }
  const auto got = allocations_.find({place_of(event).guest, event.pasid});
  if (event.value != 0 || got == allocations_.end()) return false;
  const Id flow = got->second;
  allocations_.erase(got);
  append(flow, shown);
  release(flow);
  return true;
}

bool Flows::freed(const Shown& shown) {
  const TraceEvent& event = shown.event;
  if (const OpenCommand* const asked = command_for(event, frees)) {
    append(asked->flow, shown);
    return true;
  }
  const std::uint32_t guest = place_of(event).guest;
  if (event.value != 0 || event.code != 0 || !commanding_.contains(guest)) return false;
  if (frees_.contains({guest, event.pasid})) return false;
  const Id flow = begin();
  frees_.emplace(Number{guest, event.pasid}, flow);
  hold(flow);
  append(flow, shown);
  return true;
}

}  // namespace viosim
