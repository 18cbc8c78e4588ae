// A function with work queues, as DmaFabric has it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/dma_fabric.hpp"
#include "models/device/round_robin.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace viosim {

class DmaFabric::Function final : public WorkQueues {
 public:
  Function(DmaFabric& fabric, std::uint32_t device, const DeviceFunction& config)
      : fabric_(fabric),
        device_(device),
        config_(config),
        queues_(config.params.queues),
        lives_(config.params.queues),
        turns_(config.params.queues) {}

  std::uint32_t queues() const override { return static_cast<std::uint32_t>(queues_.size()); }
  QueueState queue_state(std::uint32_t queue) const override;
  void enable(std::uint32_t queue, const QueueWork& work) override;
  void stop_queue(std::uint32_t queue, bool marker) override;
  void reset_function() override;
  void remove() override;
  void insert() override;
  bool present() const override { return present_; }
  std::uint64_t requests_in_flight() const override;
  const WorkQueueStats& queue_stats() const override { return stats_; }

 private:
  friend class DmaFabric;
  std::uint64_t next_arrival() const;
  std::uint64_t handle(std::uint64_t arrival, std::uint64_t end);
  Stream* take_turn(std::uint64_t issue);
  void offer(Stream& queue);
  void queue_is_stopped(Stream& queue);
  void issue_until(std::uint64_t end);
  void add_counts(DeviceStats& to) const;
  void bury(Stream& queue);
  Lane& lane() const { return fabric_.lanes_[device_]; }

  DmaFabric& fabric_;
  std::uint32_t device_;
  DeviceFunction config_;
  std::vector<std::unique_ptr<Stream>> queues_;  // null: disabled
  std::vector<std::unique_ptr<Stream>> retired_;
  std::vector<std::uint32_t> lives_;
  RoundRobin turns_;
  WorkQueueStats stats_;
  bool present_ = true;
};

}  // namespace viosim
