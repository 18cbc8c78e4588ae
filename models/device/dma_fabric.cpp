// The life of a request, from a device's DMA engine to its completion.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/dma_fabric.hpp"

#include "models/event_order.hpp"
#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace viosim {
namespace {

constexpr std::uint64_t count_of(Ps time) { return static_cast<std::uint64_t>(time.count()); }
constexpr std::uint64_t count_of(Instant at) { return static_cast<std::uint64_t>(at.ps()); }
constexpr Instant instant_of(std::uint64_t ps) {
  return Instant(Ps(static_cast<std::int64_t>(ps)));
}

}  // namespace

void DmaParams::check(const Where& where) const {
  constexpr std::uint32_t most_outstanding = 4096;
  if (outstanding == 0 || outstanding > most_outstanding) {
    (where / "outstanding")
        .reject(fmt::format("read {}; expected 1 to {}", outstanding, most_outstanding));
  }
  // Two requests of one device never arrive at one instant: their order needs no further rule.
  if (interval < Ps(1)) (where / "interval").reject("read \"0 ps\"; expected at least \"1 ps\"");
}

std::uint32_t DmaFabric::add(const Device& device) {
  const auto index = static_cast<std::uint32_t>(lanes_.size());
  const std::uint64_t link = count_of(device.link.latency);
  IommuPort port;
  port.source = device.source;
  port.pasid = device.pasid;
  port.device = device.number;
  lanes_.push_back(Lane{
      .iommu = device.iommu,
      .port = port,
      .request = {},
      .hit_trip = count_of(device.iommu->hit_latency()) + count_of(device.memory_latency) + link,
      .link = link,
      .interval = count_of(device.dma.interval),
      .next_issue = count_of(device.start),
      .until = count_of(device.until),
      .left = Workload::first(device.dma.requests),
      .slots = FreeSlots(device.dma.outstanding, device.start),
      .traffic =
          Traffic(device.dma.traffic, device.base, Rng(device.seed, device.path), device.zipf),
      .hits = 0,
      .misses = 0,
      .latency = {},
      .stats = {},
      .memory_latency = count_of(device.memory_latency),
      .end = count_of(device.until),
      .starts = 0,
      .on_fault = device.dma.on_fault,
      .component = device.component,
  });
  lanes_[index].request = lanes_[index].traffic.next();
  paths_.push_back(device.path);
  board_.add();
  board_.set(index, next_arrival(lanes_[index]));
  lookahead_ = std::min(lookahead_, count_of(device.iommu->lookahead()));
  return index;
}

// What was issued before now is on its way and arrives.
void DmaFabric::stop(std::size_t device) {
  Lane& lane = lanes_[device];
  lane.until = std::min(lane.until, count_of(agenda_.now()));
  ++lane.starts;
  rearm(static_cast<std::uint32_t>(device));
}

void DmaFabric::start(std::size_t device) {
  const Lane& lane = lanes_[device];
  change_later({.device = static_cast<std::uint32_t>(device),
                .start = true,
                .starts = lane.starts,
                .decided = count_of(agenda_.now())});
}

void DmaFabric::set_interval(std::size_t device, Ps interval) {
  change_later({.device = static_cast<std::uint32_t>(device), .interval = count_of(interval)});
}

// Arrivals are known one at a time, and when software acts there may be more requests on the link:
// they are over after one crossing. Nothing that is issued from now on arrives sooner.
void DmaFabric::change_later(const Change& change) {
  const Lane& lane = lanes_[change.device];
  agenda_.schedule(agenda_.now() + Ps(static_cast<std::int64_t>(lane.link)),
                   rank(EventClass::timer, lane.port.device), *this, change_bit | changes_.size());
  changes_.push_back(change);
}

void DmaFabric::carry_out(const Change& change) {
  Lane& lane = lanes_[change.device];
  if (!change.start) {
    lane.interval = change.interval;
  } else if (change.starts == lane.starts && lane.until != lane.end) {
    lane.until = lane.end;
    lane.next_issue = std::max(lane.next_issue, change.decided);
    rearm(change.device);
  }
}

DeviceStats DmaFabric::stats(std::size_t device) const {
  const Lane& lane = lanes_[device];
  DeviceStats all = lane.stats;
  all.hits = lane.hits;
  all.misses = lane.misses;
  all.requests = lane.hits + lane.misses - lane.stats.retried;
  if (all.requests != 0 && !lane.slots.empty()) all.last_completion = lane.slots.latest();
  return all;
}

Workload DmaFabric::workload(std::size_t device) const {
  const Lane& lane = lanes_[device];
  return Workload::of(lane.hits + lane.misses - lane.stats.retried, lane.left);
}

Instant DmaFabric::last_completion() const {
  std::uint64_t last = 0;
  for (std::size_t device = 0; device < lanes_.size(); ++device) {
    last = std::max(last, stats(device).last_completion);
  }
  return instant_of(last);
}

Instant DmaFabric::next() const {
  const std::uint64_t earliest = board_.earliest();
  if (earliest <= count_of(Instant::latest())) return instant_of(earliest);
  for (std::size_t device = 0; earliest != ArrivalBoard::idle && device < lanes_.size(); ++device) {
    if (board_.of(device) == earliest)
      throw TimeLimitError(fmt::format("a request of \"{}\"", paths_[device]));
  }
  return Instant::latest() + Ps(1);
}

// The next request's arrival at the IOMMU; idle when the device has no free slot, or nothing left
// to send.
std::uint64_t DmaFabric::next_arrival(const Lane& lane) const {
  if (lane.left == 0 || lane.slots.empty()) return ArrivalBoard::idle;
  const std::uint64_t issue = std::max(lane.slots.earliest(), lane.next_issue);
  return issue < lane.until ? issue + lane.link : ArrivalBoard::idle;
}

void DmaFabric::rearm(std::uint32_t device) {
  const std::uint64_t arrival = next_arrival(lanes_[device]);
  if (arrival == board_.of(device)) return;
  board_.set(device, arrival);
  if (arrival != ArrivalBoard::idle) agenda_.stop_after(instant_of(arrival));
}

void DmaFabric::run_window(Instant end) {
  // An onlooker of the engine waits for no more than these.
  constexpr unsigned most_windows = 256;
  for (unsigned i = 0; i < most_windows && board_.earliest() < count_of(end); ++i) {
    const std::uint64_t window_end = std::min(count_of(end), board_.earliest() + lookahead_);
    board_.drain_before(
        window_end,
        [&](std::uint32_t device, std::uint64_t arrival) {
          return handle(device, arrival, window_end);
        },
        [&](std::uint32_t device) { prefetch(lanes_[device]); });
    if (!misses_.empty()) return start_misses();
  }
}

void DmaFabric::start_misses() {
  if (misses_.size() > 1) {
    std::sort(misses_.begin(), misses_.end(),
              [](const Miss& a, const Miss& b) { return a.key() < b.key(); });
  }
  for (const Miss& miss : misses_) start_walk(miss, miss.arrival - lanes_[miss.device].link);
  misses_.clear();
}

// With many devices, what a request needs has left the nearer caches of the machine we run on since
// the device's last request.
void DmaFabric::prefetch(const Lane& lane) const {
  for (std::size_t offset = 64; offset < hot_lane_bytes; offset += 64)
    __builtin_prefetch(reinterpret_cast<const char*>(&lane) + offset, 1);
  lane.iommu->prefetch(lane.port, lane.request.iova);
}

// One device's arrivals up to the end of the window. Returns its next arrival after that.
std::uint64_t DmaFabric::handle(std::uint32_t device, std::uint64_t arrival, std::uint64_t end) {
  Lane& lane = lanes_[device];
  do {
    const Traffic::Next request = lane.request;
    lane.request = lane.traffic.next();
    const UseStamp stamp = UseStamp::arrival(arrival, lane.port.device);
    const std::uint64_t issue = arrival - lane.link;
    lane.slots.take();
    lane.next_issue = issue + lane.interval;
    --lane.left;
    Hpa at;
    if (lane.iommu->lookup(lane.port, request.iova, request.access, stamp, at)) [[likely]] {
      const std::uint64_t completion = arrival + lane.hit_trip;
      ++lane.hits;
      lane.latency.record(Ps(static_cast<std::int64_t>(completion - issue)));
      lane.slots.give_back(completion);
      if (tracer_.on()) emit(lane, request.iova, at, issue, completion, outcome_hit);
    } else {
      ++lane.misses;
      Miss& miss = misses_.emplace_back();
      miss.arrival = arrival;
      miss.number = lane.port.device;
      miss.device = device;
      miss.iova = request.iova;
      miss.access = request.access;
    }
    arrival = next_arrival(lane);
  } while (arrival < end);
  return arrival;
}

std::uint64_t DmaFabric::keep(const Miss& miss, std::uint64_t issue) {
  if (free_pending_.empty()) {
    free_pending_.push_back(static_cast<std::uint32_t>(pending_.size()));
    pending_.emplace_back();
  }
  const std::uint32_t cookie = free_pending_.back();
  free_pending_.pop_back();
  Pending& pending = pending_[cookie];
  pending.issue = issue;
  pending.iova = miss.iova;
  pending.device = miss.device;
  pending.access = miss.access;
  return cookie;
}

void DmaFabric::start_walk(const Miss& miss, std::uint64_t issue) {
  Lane& lane = lanes_[miss.device];
  const std::uint64_t cookie = keep(miss, issue);
  const UseStamp stamp = UseStamp::arrival(miss.arrival, miss.number);
  lane.iommu->start_walk(lane.port, miss.iova, miss.access, stamp, *this, cookie);
}

void DmaFabric::walked(std::uint64_t cookie, const WalkResult& result) {
  const Pending& request = pending_[cookie];
  Lane& lane = lanes_[request.device];
  if (!result.faulted()) {
    complete(cookie, result.translation.address(request.iova), agenda_.now(), false);
    return;
  }
  ++lane.stats.faults;
  if (tracer_.on()) {
    emit(lane, request.iova, Hpa(0), request.issue, count_of(agenda_.now()),
         outcome_fault(static_cast<std::uint16_t>(result.fault)));
  }
  if (lane.on_fault == OnFault::retry && fault_service_ != nullptr) {
    fault_service_->request_faulted({cookie, request.device, request.iova, request.access});
  } else {
    ++lane.stats.aborted;
    end_request(cookie, agenda_.now() + Ps(static_cast<std::int64_t>(lane.link)));
  }
}

// The request was translated at an instant; its data and its completion follow.
void DmaFabric::complete(std::uint64_t cookie, Hpa at, Instant translated, bool hit) {
  const Pending& request = pending_[cookie];
  Lane& lane = lanes_[request.device];
  const std::uint64_t completion = count_of(translated) + lane.memory_latency + lane.link;
  lane.latency.record(Ps(static_cast<std::int64_t>(completion - request.issue)));
  if (tracer_.on())
    emit(lane, request.iova, at, request.issue, completion, hit ? outcome_hit : outcome_miss);
  end_request(cookie, instant_of(completion));
}

void DmaFabric::end_request(std::uint64_t cookie, Instant completion) {
  const std::uint32_t device = pending_[cookie].device;
  lanes_[device].slots.give_back(count_of(completion));
  free_pending_.push_back(static_cast<std::uint32_t>(cookie));
  rearm(device);
}

void DmaFabric::retry(std::uint64_t cookie) {
  const Lane& lane = lanes_[pending_[cookie].device];
  const Ps there_and_back(static_cast<std::int64_t>(2 * lane.link));
  agenda_.schedule(agenda_.now() + there_and_back, rank(EventClass::retry, lane.port.device), *this,
                   cookie);
}

void DmaFabric::abandon(std::uint64_t cookie) {
  Lane& lane = lanes_[pending_[cookie].device];
  ++lane.stats.aborted;
  end_request(cookie, agenda_.now() + Ps(static_cast<std::int64_t>(lane.link)));
}

// A retried request arrives, or something changes.
void DmaFabric::fire(std::uint64_t cookie) {
  if ((cookie & change_bit) != 0) return carry_out(changes_[cookie & ~change_bit]);
  const Pending& request = pending_[cookie];
  Lane& lane = lanes_[request.device];
  ++lane.stats.retried;
  Hpa at;
  const UseStamp stamp = lane.iommu->use_now();
  if (lane.iommu->lookup(lane.port, request.iova, request.access, stamp, at)) {
    ++lane.hits;
    complete(cookie, at, agenda_.now() + lane.iommu->hit_latency(), true);
  } else {
    ++lane.misses;
    lane.iommu->start_walk(lane.port, request.iova, request.access, stamp, *this, cookie);
  }
}

void DmaFabric::emit(const Lane& lane, Iova iova, Hpa at, std::uint64_t issue,
                     std::uint64_t completion, std::uint16_t code) {
  TraceEvent event;
  event.time = static_cast<std::int64_t>(completion);
  event.duration = static_cast<std::int64_t>(completion - issue);
  event.address = iova.value();
  event.value = at.value();
  event.component = lane.component;
  event.pasid = lane.port.pasid == no_pasid ? 0 : lane.port.pasid.value();
  event.kind = static_cast<std::uint16_t>(EventKind::translate);
  event.code = code;
  tracer_.emit(event);
}

}  // namespace viosim
