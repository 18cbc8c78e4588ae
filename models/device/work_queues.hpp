// The work queues of a function, as its driver meets them: given to processes and taken back while
// the simulation runs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/device/dma_params.hpp"
#include "models/iommu/address_space.hpp"
#include "models/pcie/link.hpp"

#include <cstdint>
#include <string>

namespace viosim {

class Iommu;

struct FunctionParams {
  std::uint32_t queues = 8;
  Ps request_interval = 2ns;
  static constexpr std::uint32_t most_queues = 4096;

  static constexpr auto fields() {
    using P = FunctionParams;
    // Two requests of one function never arrive at one instant: their order needs no further rule.
    return Fields{
        field("queues", &P::queues, "Work queues that it has.").from(1).to(most_queues),
        field("request_interval", &P::request_interval,
              "Least time between two requests of the function, of whichever queues: what its link "
              "carries.",
              "computed: 64 bytes at 32 GB/s, PCIe 4.0 x16")
            .from(Ps(1))};
  }
  bool operator==(const FunctionParams&) const = default;
};

// A function, whatever its queues do.
struct DeviceFunction {
  std::string path;
  Iommu* iommu = nullptr;
  Bdf source{};
  LinkParams link;
  Ps memory_latency{0};  // translated request to data
  std::uint64_t seed = 0;
  // Its place in the order of events at one instant; unique, below 2^20.
  std::uint32_t number = 0;
  std::uint32_t component = 0;  // in the trace's string table
  FunctionParams params;
};

// Called from hardware events, and from within the functions that ask for a stop.
class QueueListener {
 public:
  // It has nothing in flight, and is disabled.
  virtual void queue_stopped(Bdf source, std::uint32_t queue) = 0;
  // It has done all its requests, so many of them with an error, and stays enabled. Of functions with a
  // translation cache.
  virtual void queue_done(Bdf /*source*/, std::uint32_t /*queue*/, std::uint64_t /*failed*/) {}
  // No queue of the function has anything with this PASID in flight.
  virtual void pasid_stopped(Bdf /*source*/, Pasid /*pasid*/) {}

 protected:
  ~QueueListener() = default;
};

// What a queue is to do from when it is enabled on.
struct QueueWork {
  Pasid pasid = no_pasid;
  std::uint32_t pasid_life = 0;  // which one of its PASID software meant, for traces; 0: not told
  bool privileged = false;
  DmaParams dma;
  Iova base;  // where the window of addresses begins
  Instant until = Instant::latest();
  const ZipfTable* zipf = nullptr;
  QueueListener* listener = nullptr;  // of this queue
};

// Stopping: no new requests, and those in flight finish.
enum class QueueState : std::uint8_t { disabled, running, stopping };

// Of a queue that was told to stop: requests that are not done, since they were not issued or ended with an
// error afterwards; and those that had ended with one before.
struct QueueRest {
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;
};

struct WorkQueueStats {
  std::uint64_t enabled = 0;
  std::uint64_t stopped = 0;
  std::uint64_t resets = 0;
  std::uint64_t removals = 0;
  std::uint64_t dropped = 0;
  std::uint64_t lost_invalidations = 0;
  std::uint64_t lost_responses = 0;
  static constexpr auto fields() {
    using S = WorkQueueStats;
    return Fields{
        metric("enabled", &S::enabled, Unit::count, "Times that a queue was enabled."),
        metric("stopped", &S::stopped, Unit::count, "Times that a queue came to its stop."),
        metric("resets", &S::resets, Unit::count,
               "Function-level resets, those by removal included."),
        metric("removals", &S::removals, Unit::count, "Times that the function was unplugged."),
        metric("dropped", &S::dropped, Unit::count, "Requests lost by resets and removals."),
        metric("lost_invalidations", &S::lost_invalidations, Unit::count,
               "Invalidations that arrived where no function is."),
        metric("lost_responses", &S::lost_responses, Unit::count,
               "Page responses that arrived where no function is.")};
  }
};

// All of it acts at once: who reaches the function by a write over the link calls when it arrives.
// From actors, and from hardware events.
class WorkQueues {
 public:
  virtual std::uint32_t queues() const = 0;
  virtual QueueState queue_state(std::uint32_t queue) const = 0;
  // A disabled queue of a function that is there.
  virtual void enable(std::uint32_t queue, const QueueWork& work) = 0;
  // `marker`: followed by a stop marker, where it has requested pages. Nothing happens to a queue
  // that is not running.
  virtual void stop_queue(std::uint32_t queue, bool marker) = 0;
  // Function-level reset: all queues are disabled, and what is in flight is dropped. Nobody is told.
  virtual void reset_function() = 0;
  // Hot-unplug. The function answers nothing any more; what arrives for it is lost.
  virtual void remove() = 0;
  // And back: as after a reset.
  virtual void insert() = 0;
  virtual bool present() const = 0;
  // Requests of all queues that have neither come back nor been dropped.
  virtual std::uint64_t requests_in_flight() const = 0;
  virtual const WorkQueueStats& queue_stats() const = 0;

 protected:
  ~WorkQueues() = default;
};

}  // namespace viosim
