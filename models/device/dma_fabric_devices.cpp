// Which devices there are, and how much they have done.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/dma_fabric.hpp"
#include "models/device/dma_fabric_function.hpp"
#include "models/device/picoseconds.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

std::uint32_t DmaFabric::add(const Device& device) {
  Lane lane = make_lane(device.iommu, device.link, device.memory_latency, device.component);
  lane.queue.port.source = device.source;
  lane.queue.port.device = device.number;
  QueueWork work;
  work.pasid = device.pasid;
  work.dma = device.dma;
  work.base = device.base;
  work.until = device.until;
  work.zipf = device.zipf;
  lane.queue = make_stream(lane, work, device.start, Rng(device.seed, device.path));
  return add_lane(std::move(lane), device.path, device.seed);
}

std::uint32_t DmaFabric::add(const DeviceFunction& function) {
  Lane lane = make_lane(function.iommu, function.link, function.memory_latency, function.component);
  lane.queue.port.source = function.source;
  lane.queue.port.device = function.number;
  lane.queue.interval = count_of(function.params.request_interval);
  lane.function = static_cast<std::uint32_t>(functions_.size());
  lane.one_by_one = true;
  const std::uint32_t index = add_lane(std::move(lane), function.path, function.seed);
  functions_.push_back(std::make_unique<Function>(*this, index, function));
  return index;
}

DmaFabric::Lane DmaFabric::make_lane(Iommu* iommu, const LinkParams& link, Ps memory_latency,
                                     std::uint32_t component) {
  const std::uint64_t way = count_of(link.latency);
  iommu->reaches_memory_in(memory_latency);
  return Lane{.iommu = iommu,
              .hit_trip = count_of(iommu->hit_latency()) + count_of(memory_latency) + way,
              .link = way,
              .memory_latency = count_of(memory_latency),
              .function = none,
              .one_by_one = false,
              .queue = Stream{.port = {},
                              .request = {},
                              .interval = 0,
                              .next_issue = 0,
                              .until = 0,
                              .left = 0,
                              .slots = FreeSlots(0, {}),
                              .traffic = Traffic({}, {}, Rng(0, ""), nullptr)},
              .latency = {},
              .stats = {},
              .component = component,
              .seed = 0,
              .on_link = {}};
}

std::uint32_t DmaFabric::add_lane(Lane lane, const std::string& path, std::uint64_t seed) {
  const auto index = static_cast<std::uint32_t>(lanes_.size());
  lanes_.push_back(std::move(lane));
  Lane& added = lanes_.back();
  added.seed = seed;
  paths_.push_back(path);
  board_.add();
  if (added.function == none) board_.set(index, next_arrival(added));
  lookahead_ = std::min(lookahead_, count_of(added.iommu->lookahead()));
  return index;
}

DeviceStats DmaFabric::stats(std::size_t device) const {
  const Lane& lane = lanes_[device];
  DeviceStats all = lane.stats;
  if (lane.function == none) {
    add_counts(all, lane.queue);
  } else {
    functions_[lane.function]->add_counts(all);
  }
  all.requests = all.hits + all.misses - all.retried;
  return all;
}

Workload DmaFabric::workload(std::size_t device) const {
  const Stream& queue = lanes_[device].queue;
  const std::uint64_t left = queue.left + lanes_[device].on_link.size();
  Workload work = Workload::of(queue.hits + queue.misses - queue.retried, left);
  work.sent = stats(device).requests;
  if (lanes_[device].function != none) work.left = std::nullopt;
  return work;
}

void DmaFabric::add_counts(DeviceStats& to, const Stream& queue) {
  to.hits += queue.hits;
  to.misses += queue.misses;
  to.last_completion = std::max(to.last_completion, last_completion(queue));
}

Instant DmaFabric::last_completion() const {
  std::uint64_t last = 0;
  for (std::size_t device = 0; device < lanes_.size(); ++device) {
    last = std::max(last, stats(device).last_completion);
  }
  return instant_of(last);
}

}  // namespace viosim
