// Software's side of a RISC-V command queue: writes commands into the ring, rings the doorbell, waits for a fence.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/engine.hpp"
#include "models/host/invalidator.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/riscv/command_queue.hpp"

#include <cstdint>
#include <deque>
#include <span>

namespace viosim {

class RiscvCommandDriver final : public Invalidator, public riscv::CommandListener {
 public:
  // `poll`: how long software takes to notice a word in memory that has changed.
  RiscvCommandDriver(Engine& engine, PhysicalMemory& memory, riscv::CommandQueue& queue, Ps poll);

  // For actors: submits the commands and a fence of its own, and returns when software sees that it
  // is done. When the ring has no room, waits until it has.
  void submit_and_wait(std::span<const riscv::Command> commands);
  void invalidate_and_wait(const Invalidation& order, const DeviceTlbs& devices) override;

  void command_executed() override;
  void fence_written(Hpa address) override;

 private:
  // A word that a waiting actor polls.
  struct Waiter {
    Waiter(Engine& engine, Hpa word) : address(word), done(engine, "completion of a fence") {}
    Hpa address;
    Signal done;
    bool in_use = false;
  };
  Waiter& free_waiter();
  std::uint32_t free_entries() const;
  void write(const riscv::Command& command);

  Engine& engine_;
  PhysicalMemory& memory_;
  riscv::CommandQueue& queue_;
  Ps poll_;
  std::uint32_t tail_ = 0;
  std::deque<Waiter> waiters_;
  Signal room_;
  std::uint32_t waiting_for_room_ = 0;
};

}  // namespace viosim
