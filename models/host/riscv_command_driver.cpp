// Filling the ring, waiting for room, and seeing that a fence is done.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/riscv_command_driver.hpp"

#include <array>

namespace viosim {
namespace {

constexpr std::uint32_t fence_done = 1;

}  // namespace

RiscvCommandDriver::RiscvCommandDriver(Engine& engine, PhysicalMemory& memory,
                                       riscv::CommandQueue& queue, Ps poll)
    : engine_(engine),
      memory_(memory),
      queue_(queue),
      poll_(poll),
      room_(engine, "room in the command queue") {
  queue.listen(*this);
}

// The ring is full when tail is one before head.
std::uint32_t RiscvCommandDriver::free_entries() const {
  const std::uint32_t used = (tail_ - queue_.head()) & (queue_.entries() - 1);
  return queue_.entries() - 1 - used;
}

void RiscvCommandDriver::write(const riscv::Command& command) {
  const auto words = command.encode();
  const Hpa at = queue_.base() + Bytes(tail_ * riscv::CommandQueue::entry_size().count());
  memory_.write(at, words[0]);
  memory_.write(at + Bytes(8), words[1]);
  tail_ = (tail_ + 1) & (queue_.entries() - 1);
}

RiscvCommandDriver::Waiter& RiscvCommandDriver::free_waiter() {
  for (Waiter& waiter : waiters_) {
    if (!waiter.in_use) return waiter;
  }
  return waiters_.emplace_back(engine_, memory_.allocate_frames());
}

void RiscvCommandDriver::submit_and_wait(std::span<const riscv::Command> commands) {
  const auto needed = static_cast<std::uint32_t>(commands.size()) + 1;
  ensure(needed < queue_.entries(), "a submission is larger than the command queue");
  while (free_entries() < needed) {
    ++waiting_for_room_;
    room_.wait();
  }
  Waiter& waiter = free_waiter();
  waiter.in_use = true;
  for (const riscv::Command& command : commands) write(command);
  riscv::Command fence;
  fence.address_valid = true;
  fence.drain_reads = true;
  fence.drain_writes = true;
  fence.data = fence_done;
  fence.address = waiter.address.value();
  write(fence);
  queue_.write_tail(tail_);
  waiter.done.wait();
  engine_.sleep_for(poll_);
  waiter.in_use = false;
}

void RiscvCommandDriver::invalidate_and_wait(const Invalidation& order, const DeviceTlbs& devices) {
  ensure(devices.functions.empty(), "functions behind a RISC-V IOMMU have no TLBs here");
  if (order.scope == Invalidation::Scope::all) {
    // Guests', then those of the host's address spaces.
    std::array<riscv::Command, 2> everything;
    everything[0].type = riscv::CommandType::iotinval_gvma;
    everything[1].type = riscv::CommandType::iotinval_vma;
    return submit_and_wait(everything);
  }
  const riscv::Command command = riscv::Command::for_translations(order);
  submit_and_wait({&command, 1});
}

void RiscvCommandDriver::command_executed() {
  for (; waiting_for_room_ > 0; --waiting_for_room_) room_.raise();
}

void RiscvCommandDriver::fence_written(Hpa address) {
  for (Waiter& waiter : waiters_) {
    if (waiter.in_use && waiter.address == address) waiter.done.raise();
  }
}

}  // namespace viosim
