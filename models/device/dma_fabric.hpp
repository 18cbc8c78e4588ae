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
#pragma once

#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "models/device/arrival_board.hpp"
#include "models/device/traffic.hpp"
#include "models/iommu/iommu.hpp"
#include "models/pcie/link.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace viosim {

enum class OnFault : std::uint8_t { abort, retry };

constexpr auto choices(OnFault) {
  return std::array{
      Choice{OnFault::abort, "abort", "the request ends with an error"},
      Choice{OnFault::retry, "retry",
             "the request waits until software has mapped the page, and is sent again"}};
}

struct DmaParams {
  TrafficParams traffic;
  std::uint32_t outstanding = 1;
  Ps interval = 1ns;
  std::uint64_t requests = 0;
  OnFault on_fault = OnFault::abort;

  static constexpr auto fields() {
    using P = DmaParams;
    return std::tuple{
        field("traffic", &P::traffic, "Where the requests go."),
        field("outstanding", &P::outstanding, "Requests in flight at a time."),
        field("interval", &P::interval,
              "Least time between the issue of two requests; at least 1 ps.", "assumed"),
        field("requests", &P::requests,
              "How many requests are sent; 0: as many as fit into the run's duration."),
        field("on_fault", &P::on_fault, "What happens to a request that the IOMMU refuses.")};
  }
  void check(const Where& where) const;
  bool operator==(const DmaParams&) const = default;
};

struct DeviceStats {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t faults = 0;
  std::uint64_t aborted = 0;
  std::uint64_t retried = 0;
  std::uint64_t last_completion = 0;
  static constexpr auto fields() {
    using S = DeviceStats;
    return std::tuple{
        metric("requests", &S::requests, Unit::count,
               "Requests that arrived at the IOMMU, retries not counted."),
        metric("hits", &S::hits, Unit::count,
               "Requests, retries included, answered from the IOTLB."),
        metric("misses", &S::misses, Unit::count,
               "Requests, retries included, that needed a walk."),
        metric("faults", &S::faults, Unit::count, "Walks that ended in a fault."),
        metric("aborted", &S::aborted, Unit::count, "Requests that ended with an error."),
        metric("retried", &S::retried, Unit::count,
               "Requests sent again after their fault was handled."),
        metric("last_completion", &S::last_completion, Unit::picoseconds,
               "When its last request was completed: with their number, its throughput. 0 when "
               "nothing was, or all its slots are in use at the end of the run.")};
  }
};

// How much of its work a device has done.
struct Workload {
  std::uint64_t sent = 0;             // requests
  std::optional<std::uint64_t> left;  // absent where only the run's duration ends them

  // From how many were sent and what a device counts down from `first(requests)`.
  static Workload of(std::uint64_t sent, std::uint64_t countdown) {
    if (sent + countdown == endless) return {sent, std::nullopt};
    return {sent, countdown};
  }
  static constexpr std::uint64_t first(std::uint64_t requests) {
    return requests == 0 ? endless : requests;
  }

 private:
  static constexpr std::uint64_t endless = ~std::uint64_t{0};
};

// A request that waits for software to map its page. Give the cookie back to DmaFabric::retry() or
// abandon().
struct FaultedRequest {
  std::uint64_t cookie = 0;
  std::uint32_t device = 0;  // as numbered by DmaFabric::add()
  Iova iova;
  Access access = Access::read;
};

class FaultService {
 public:
  // Called from a hardware event, at the instant at which the fault is visible to software.
  virtual void request_faulted(const FaultedRequest& request) = 0;

 protected:
  ~FaultService() = default;
};

// The instants at which a device's request slots become free, earliest first. Up to two slots lie
// within the object.
class FreeSlots {
 public:
  FreeSlots(std::uint32_t slots, Instant at)
      : mask_(std::bit_ceil(slots) - 1),
        size_(slots),
        many_(slots > few ? std::make_unique<std::uint64_t[]>(std::bit_ceil(slots)) : nullptr) {
    std::fill_n(times(), slots, static_cast<std::uint64_t>(at.ps()));
  }
  bool empty() const { return size_ == 0; }
  std::uint64_t earliest() const { return times()[head_]; }
  std::uint64_t latest() const { return times()[(head_ + size_ - 1) & mask_]; }
  void take() {
    head_ = (head_ + 1) & mask_;
    --size_;
  }
  // Almost always the latest so far.
  void give_back(std::uint64_t time) {
    std::uint64_t* const all = times();
    std::uint32_t at = (head_ + size_) & mask_;
    for (std::uint32_t before = size_; before > 0; --before) {
      const std::uint32_t previous = (at - 1) & mask_;
      if (all[previous] <= time) break;
      all[at] = all[previous];
      at = previous;
    }
    all[at] = time;
    ++size_;
  }

 private:
  static constexpr std::uint32_t few = 2;
  std::uint64_t* times() { return mask_ < few ? inside_.data() : many_.get(); }
  const std::uint64_t* times() const { return mask_ < few ? inside_.data() : many_.get(); }

  std::uint32_t head_ = 0;
  std::uint32_t mask_;
  std::uint32_t size_;
  std::array<std::uint64_t, few> inside_{};
  std::unique_ptr<std::uint64_t[]> many_;
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

  DmaFabric(Agenda& agenda, Tracer& tracer) : agenda_(agenda), tracer_(tracer) {}

  // Returns the device's index. Before the run.
  std::uint32_t add(const Device& device);
  void set_fault_service(FaultService& service) { fault_service_ = &service; }

  // Software has handled the fault: the device learns it after one link crossing and sends the
  // request again. From an actor, or an event.
  void retry(std::uint64_t cookie);
  // Software refuses the request: it ends with an error after one link crossing.
  void abandon(std::uint64_t cookie);

  // Software tells a device's engine, from now on: to issue no request; to issue them again, until the
  // instant that it was added with; to leave this much after each. From an actor. A stop undoes a start
  // that is less than a link's latency old.
  void stop(std::size_t device);
  void start(std::size_t device);
  void set_interval(std::size_t device, Ps interval);

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
  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;

 private:
  // What a device needs on every request, in five cache lines; then what it needs more rarely.
  struct alignas(64) Lane {
    Iommu* iommu;
    IommuPort port;
    Traffic::Next request;   // the next one: drawn ahead, so that its translation can be fetched
    std::uint64_t hit_trip;  // arrival to completion of a hit, ps
    std::uint64_t link;
    std::uint64_t interval;
    std::uint64_t next_issue;  // not before this
    std::uint64_t until;
    std::uint64_t left;
    FreeSlots slots;
    Traffic traffic;
    std::uint64_t hits;
    std::uint64_t misses;
    Histogram latency;  // runs of equal latencies touch its first 16 bytes only
    DeviceStats stats;  // without those counted above
    std::uint64_t memory_latency;
    std::uint64_t end;     // `until`, but for a stop
    std::uint32_t starts;  // those decided before the last stop do not count
    OnFault on_fault;
    std::uint32_t component;
  };
  static constexpr std::size_t hot_lane_bytes = 320;
  struct Pending {
    std::uint64_t issue = 0;
    Iova iova;
    std::uint32_t device = 0;
    Access access = Access::read;
  };
  // What software has decided, and what happens once the requests are over that were issued before.
  struct Change {
    std::uint32_t device = 0;
    bool start = false;
    std::uint32_t starts = 0;
    std::uint64_t decided = 0;
    std::uint64_t interval = 0;
  };
  static constexpr std::uint64_t change_bit = std::uint64_t{1} << 63U;
  struct Miss {
    std::uint64_t arrival = 0;
    std::uint32_t number = 0;  // the device's place in the order of events
    std::uint32_t device = 0;
    Iova iova;
    Access access = Access::read;
    auto key() const { return std::pair(arrival, number); }
  };

  void change_later(const Change& change);
  void carry_out(const Change& change);
  void start_misses();
  std::uint64_t handle(std::uint32_t device, std::uint64_t arrival, std::uint64_t end);
  void prefetch(const Lane& lane) const;
  std::uint64_t next_arrival(const Lane& lane) const;
  void rearm(std::uint32_t device);
  void start_walk(const Miss& miss, std::uint64_t issue);
  void complete(std::uint64_t cookie, Hpa at, Instant translated, bool hit);
  void end_request(std::uint64_t cookie, Instant completion);
  void emit(const Lane& lane, Iova iova, Hpa at, std::uint64_t issue, std::uint64_t completion,
            std::uint16_t code);
  std::uint64_t keep(const Miss& miss, std::uint64_t issue);

  Agenda& agenda_;
  Tracer& tracer_;
  FaultService* fault_service_ = nullptr;
  ArrivalBoard board_;
  std::vector<Lane> lanes_;
  std::vector<std::string> paths_;
  // No arrival has an effect on another arrival, on software or on memory sooner than this.
  std::uint64_t lookahead_ = 1'000'000'000;
  std::vector<Miss> misses_;
  std::vector<Change> changes_;
  std::vector<Pending> pending_;
  std::vector<std::uint32_t> free_pending_;
};

}  // namespace viosim
