// The devices of a run and their DMA engines: requests go out, are translated, reach memory, and
// complete.
// SPDX-License-Identifier: Apache-2.0
//
// A request is issued when one of the device's `outstanding` slots is free and `interval` has
// passed since the last issue. It crosses the link, is translated, reaches memory, and its
// completion crosses the link back, which frees the slot. A request whose translation hits meets
// nobody on its way, so its completion is known at its arrival; one that misses waits for its walk.
//
// Arrivals do not go through the agenda. Between two agenda events nothing changes that a look-up
// depends on, and a miss changes nothing before the IOMMU's lookahead has passed; so the arrivals
// within a lookahead are handled device by device, in windows (core/des/engine.hpp, RunAhead).
// Within a window, requests that hit only leave use stamps and counts, which do not depend on
// order; those that miss are gathered and then started in the order of their key. So the outcome is
// exactly that of handling every arrival in order.
//
// A device has one queue that is enabled from the start, or is a function with work queues
// (work_queues.hpp) that take turns. Requests are issued in retrospect, when they arrive: what software
// does to a queue at an instant leaves alone what was issued before it, and is known to every issue
// after it. Queues are in dma_fabric_queues.cpp, functions that have many in dma_fabric_function.cpp.
#pragma once

#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "models/device/arrival_board.hpp"
#include "models/device/dma_params.hpp"
#include "models/device/dma_stats.hpp"
#include "models/device/free_slots.hpp"
#include "models/device/work_queues.hpp"
#include "models/iommu/iommu.hpp"
#include "models/pcie/link.hpp"
#include "models/trace_events.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace viosim {

// A request that waits for software to map its page. Give the cookie back to DmaFabric::retry() or
// abandon().
struct FaultedRequest {
  std::uint64_t cookie = 0;
  std::uint32_t device = 0;  // as numbered by DmaFabric::add()
  Iova iova;
  Access access = Access::read;
  bool in_pages = true;  // the page tables refused it, not what leads to them
};

class FaultService {
 public:
  // Called from a hardware event, at the instant at which the fault is visible to software.
  virtual void request_faulted(const FaultedRequest& request) = 0;

 protected:
  ~FaultService() = default;
};

class DmaFabric final : public RunAhead, public EventHandler, public WalkClient {
 public:
  struct Device {
    std::string path;
    Iommu* iommu = nullptr;
    Bdf source{};
    Pasid pasid = no_pasid;
    LinkParams link;
    DmaParams dma;
    Iova base;             // where the window of addresses begins
    Ps memory_latency{0};  // translated request to data
    Instant start;         // first issue
    Instant until;         // no issue at or after this instant
    const ZipfTable* zipf = nullptr;
    std::uint64_t seed = 0;
    std::uint32_t number =
        0;  // its place in the order of events at one instant; unique, below 2^20
    std::uint32_t component = 0;  // in the trace's string table
  };

  DmaFabric(Agenda& agenda, Tracer& tracer);
  ~DmaFabric();
  DmaFabric(const DmaFabric&) = delete;
  DmaFabric& operator=(const DmaFabric&) = delete;

  // Returns the device's index. Before the run.
  std::uint32_t add(const Device& device);
  // With queues that software enables. Also returns an index.
  std::uint32_t add(const DeviceFunction& function);
  // Of such a device.
  WorkQueues& function(std::uint32_t device);
  // The queue of a device that has only one: enabled from the start, it can be stopped, and enabled
  // again as others can; or started, which goes on with its work, until the instant that this ends at.
  // Nothing happens to a queue that is in that state already.
  QueueState queue_state(std::uint32_t device) const;
  void enable(std::uint32_t device, const QueueWork& work);
  void stop(std::uint32_t device, QueueListener* listener = nullptr);
  void start(std::uint32_t device);
  // Leaves this much after each request from the next one on.
  void set_interval(std::uint32_t device, Ps interval);

  void set_fault_service(FaultService& service) { fault_service_ = &service; }

  // Software has handled the fault: the device learns it after one link crossing and sends the
  // request again. From an actor, or an event.
  void retry(std::uint64_t cookie);
  // Software refuses the request: it ends with an error after one link crossing.
  void abandon(std::uint64_t cookie);

  std::size_t devices() const { return lanes_.size(); }
  const std::string& path(std::size_t device) const { return paths_[device]; }
  DeviceStats stats(std::size_t device) const;
  Workload workload(std::size_t device) const;
  const Histogram& latency(std::size_t device) const {
    return lanes_[device].latency;
  }  // issue to completion
  // When the last request so far was completed; zero when none was. For after the run.
  Instant last_completion() const;

  Instant next() const override;
  void run_window(Instant end) override;
  // Windows no longer than this give the same results. For tests.
  void limit_windows(Ps to) {
    lookahead_ = std::min(lookahead_, static_cast<std::uint64_t>(to.count()));
  }
  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;

 private:
  // What a queue needs on every request; then what it needs more rarely.
  struct Stream {
    IommuPort port;
    Traffic::Next request;  // the next one: drawn ahead, so that its translation can be fetched
    std::uint64_t interval;
    std::uint64_t next_issue;  // not before this
    std::uint64_t until;
    std::uint64_t left;
    FreeSlots slots;
    Traffic traffic;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t retried = 0;
    std::uint64_t end = 0;   // `until`, but for a stop
    std::uint64_t turn = 0;  // noted in its function's turns
    QueueListener* listener = nullptr;
    std::uint32_t number = 0;   // in its function
    std::uint32_t life = 0;     // how often it was enabled
    std::uint32_t pending = 0;  // misses that nothing has ended yet
    OnFault on_fault = OnFault::abort;
    QueueState state = QueueState::running;
    bool takes_turns = false;
    bool retired = false;  // reset: its place is another's, or nobody's
  };
  // Issued before software changed something, and not yet arrived by then.
  struct OnLink {
    std::uint64_t arrival;
    Stream* queue;
    Traffic::Next request;
  };
  // What a device needs on every request, in six cache lines; then what it needs more rarely. Of a
  // function with work queues: the function itself, whose slots are none.
  struct alignas(64) Lane {
    Iommu* iommu;
    std::uint64_t hit_trip;  // arrival to completion of a hit, ps
    std::uint64_t link;
    std::uint64_t memory_latency;
    std::uint32_t function;  // number in functions_; none: one queue
    bool one_by_one;  // each arrival asks where it comes from: a function's, or one in on_link
    Stream queue;
    Histogram latency;  // two runs of equal latencies touch its first 32 bytes only
    DeviceStats stats;  // without those that its queues count
    std::uint32_t component;
    std::uint64_t seed;
    std::vector<OnLink> on_link;  // the next to arrive first
  };
  static constexpr std::size_t hot_lane_bytes = 384;
  static constexpr std::uint32_t none = 0xffffffff;
  // Of an event that looks whether a queue has stopped: device 31:0, queue 43:32, its life 61:44.
  // Otherwise it is a retried request.
  static constexpr std::uint64_t look_whether_stopped = std::uint64_t{1} << 62U;
  class Function;
  struct Pending {
    std::uint64_t issue = 0;
    Iova iova;
    Stream* queue = nullptr;
    std::uint32_t device = 0;
    Access access = Access::read;
  };
  struct Miss {
    std::uint64_t arrival = 0;
    std::uint32_t number = 0;  // the device's place in the order of events
    std::uint32_t device = 0;
    Iova iova;
    Stream* queue = nullptr;
    Access access = Access::read;
    auto key() const { return std::pair(arrival, number); }
  };

  void start_misses();
  std::uint64_t handle(std::uint32_t device, std::uint64_t arrival, std::uint64_t end);
  std::uint64_t handle_one_by_one(std::uint32_t device, std::uint64_t arrival, std::uint64_t end);
  Stream& arrive_from_link(std::uint32_t device);
  void settle_issues(std::uint32_t device);
  static bool on_link(const Lane& lane, const Stream& queue);
  void prefetch(const Lane& lane, std::size_t stage) const;
  // Idle when there is no free slot, or nothing left to send, or software has stopped it.
  static std::uint64_t next_issue(const Stream& queue);
  static std::uint64_t next_arrival(const Lane& lane);
  static Traffic::Next issue(Stream& queue, std::uint64_t at);
  void arrive(Lane& lane, Stream& queue, std::uint32_t device, const Traffic::Next& request,
              std::uint64_t arrival);
  void rearm(std::uint32_t device);
  static Lane make_lane(Iommu* iommu, const LinkParams& link, Ps memory_latency,
                        std::uint32_t component);
  static Stream make_stream(const Lane& lane, const QueueWork& work, Instant start, Rng rng);
  std::uint32_t add_lane(Lane lane, const std::string& path, std::uint64_t seed);
  void begin_stop(std::uint32_t device, Stream& queue);
  void look_later(std::uint32_t device, const Stream& queue, std::uint64_t at);
  void look_at_stopping(std::uint64_t what);
  void stopped_if_over(std::uint32_t device, Stream& queue);
  static std::uint64_t last_completion(const Stream& queue);
  static void add_counts(DeviceStats& to, const Stream& queue);
  void start_walk(const Miss& miss, std::uint64_t issue);
  void complete(std::uint64_t cookie, Hpa at, Instant translated, bool hit);
  void end_request(std::uint64_t cookie, Instant completion);
  void retried(std::uint64_t cookie);
  void forget(std::uint64_t cookie);
  void emit(const Lane& lane, const Stream& queue, Iova iova, Hpa at, std::uint64_t issue,
            std::uint64_t completion, std::uint16_t code);
  std::uint64_t keep(const Miss& miss, std::uint64_t issue);

  Agenda& agenda_;
  Tracer& tracer_;
  FaultService* fault_service_ = nullptr;
  ArrivalBoard board_;
  std::vector<Lane> lanes_;
  std::vector<std::string> paths_;
  std::vector<std::unique_ptr<Function>> functions_;
  // No arrival has an effect on another arrival, on software or on memory sooner than this.
  std::uint64_t lookahead_ = 1'000'000'000;
  std::vector<Miss> misses_;
  std::vector<Pending> pending_;
  std::vector<std::uint32_t> free_pending_;
};

// A request leaves the device.
inline Traffic::Next DmaFabric::issue(Stream& queue, std::uint64_t at) {
  const Traffic::Next request = queue.request;
  queue.request = queue.traffic.next();
  queue.slots.take();
  queue.next_issue = at + queue.interval;
  --queue.left;
  return request;
}

// And arrives at the IOMMU.
inline void DmaFabric::arrive(Lane& lane, Stream& queue, std::uint32_t device,
                              const Traffic::Next& request, std::uint64_t arrival) {
  const UseStamp stamp = UseStamp::arrival(arrival, queue.port.device);
  Hpa at;
  if (lane.iommu->lookup(queue.port, request.iova, request.access, stamp, at)) [[likely]] {
    const std::uint64_t issue = arrival - lane.link;
    const std::uint64_t completion = arrival + lane.hit_trip;
    ++queue.hits;
    lane.latency.record(Ps(static_cast<std::int64_t>(completion - issue)));
    queue.slots.give_back(completion);
    if (tracer_.follows_requests())
      emit(lane, queue, request.iova, at, issue, completion, outcome_hit);
  } else {
    ++queue.misses;
    Miss& miss = misses_.emplace_back();
    miss.arrival = arrival;
    miss.number = queue.port.device;
    miss.device = device;
    miss.iova = request.iova;
    miss.queue = &queue;
    miss.access = request.access;
  }
}

}  // namespace viosim
