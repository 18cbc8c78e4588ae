// The life of a request, from a device's DMA engine to its completion.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/dma_fabric.hpp"

#include "core/base/prefetch.hpp"
#include "models/device/dma_fabric_function.hpp"
#include "models/device/picoseconds.hpp"
#include "models/event_order.hpp"
#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace viosim {

DmaFabric::DmaFabric(Agenda& agenda, Tracer& tracer) : agenda_(agenda), tracer_(tracer) {}
DmaFabric::~DmaFabric() = default;

Instant DmaFabric::next() const {
  const std::uint64_t earliest = board_.earliest();
  if (earliest <= count_of(Instant::latest())) return instant_of(earliest);
  for (std::size_t device = 0; earliest != ArrivalBoard::idle && device < lanes_.size(); ++device) {
    if (board_.of(device) == earliest)
      throw TimeLimitError(fmt::format("a request of \"{}\"", paths_[device]));
  }
  return Instant::latest() + Ps(1);
}

std::uint64_t DmaFabric::next_issue(const Stream& queue) {
  if (queue.left == 0 || queue.slots.empty()) return ArrivalBoard::idle;
  const std::uint64_t issue = std::max(queue.slots.earliest(), queue.next_issue);
  return issue < queue.until ? issue : ArrivalBoard::idle;
}

// The next request's arrival at the IOMMU.
std::uint64_t DmaFabric::next_arrival(const Lane& lane) {
  if (lane.one_by_one && !lane.on_link.empty()) [[unlikely]]
    return lane.on_link.front().arrival;
  const std::uint64_t issue = next_issue(lane.queue);
  return issue == ArrivalBoard::idle ? issue : issue + lane.link;
}

void DmaFabric::rearm(std::uint32_t device) {
  const Lane& lane = lanes_[device];
  const std::uint64_t arrival =
      lane.function == none ? next_arrival(lane) : functions_[lane.function]->next_arrival();
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
        [&](std::uint32_t device, std::size_t stage) { prefetch(lanes_[device], stage); });
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
// the device's last request. Each stage reads what the one before it has fetched.
void DmaFabric::prefetch(const Lane& lane, std::size_t stage) const {
  static_assert(ArrivalBoard::stages == 3);
  if (stage == 0) {
    for (std::size_t offset = 0; offset < hot_lane_bytes; offset += 64)
      prefetch_line(reinterpret_cast<const char*>(&lane) + offset);
  } else if (stage == 1) {
    lane.iommu->prefetch_homes(lane.queue.port, lane.queue.request.iova);
  } else {
    lane.iommu->prefetch(lane.queue.port, lane.queue.request.iova);
  }
}

// One device's arrivals up to the end of the window. Returns its next arrival after that.
std::uint64_t DmaFabric::handle(std::uint32_t device, std::uint64_t arrival, std::uint64_t end) {
  Lane& lane = lanes_[device];
  if (lane.one_by_one) [[unlikely]]
    return handle_one_by_one(device, arrival, end);
  do {
    const Traffic::Next request = issue(lane.queue, arrival - lane.link);
    arrive(lane, lane.queue, device, request, arrival);
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
  pending.queue = miss.queue;
  pending.device = miss.device;
  pending.access = miss.access;
  return cookie;
}

void DmaFabric::start_walk(const Miss& miss, std::uint64_t issue) {
  Lane& lane = lanes_[miss.device];
  const std::uint64_t cookie = keep(miss, issue);
  const UseStamp stamp = UseStamp::arrival(miss.arrival, miss.number);
  ++miss.queue->pending;
  lane.iommu->start_walk(miss.queue->port, miss.iova, miss.access, stamp, *this, cookie);
}

void DmaFabric::walked(std::uint64_t cookie, const WalkResult& result) {
  const Pending& request = pending_[cookie];
  Lane& lane = lanes_[request.device];
  if (request.queue->retired) return forget(cookie);
  if (!result.faulted()) {
    complete(cookie, result.translation.address(request.iova), agenda_.now(), false);
    return;
  }
  ++lane.stats.faults;
  if (tracer_.follows_requests()) {
    emit(lane, *request.queue, request.iova, Hpa(0), request.issue, count_of(agenda_.now()),
         outcome_fault(static_cast<std::uint16_t>(result.fault)));
  }
  if (request.queue->on_fault == OnFault::retry && fault_service_ != nullptr) {
    fault_service_->request_faulted(
        {cookie, request.device, request.iova, request.access, result.in_pages});
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
  if (tracer_.follows_requests())
    emit(lane, *request.queue, request.iova, at, request.issue, completion,
         hit ? outcome_hit : outcome_miss);
  end_request(cookie, instant_of(completion));
}

void DmaFabric::end_request(std::uint64_t cookie, Instant completion) {
  const std::uint32_t device = pending_[cookie].device;
  Stream& queue = *pending_[cookie].queue;
  queue.slots.give_back(count_of(completion));
  --queue.pending;
  free_pending_.push_back(static_cast<std::uint32_t>(cookie));
  if (const std::uint32_t function = lanes_[device].function; function != none)
    functions_[function]->offer(queue);
  rearm(device);
  if (queue.state == QueueState::stopping) stopped_if_over(device, queue);
}

void DmaFabric::retry(std::uint64_t cookie) {
  const Pending& request = pending_[cookie];
  if (request.queue->retired) return forget(cookie);
  const Lane& lane = lanes_[request.device];
  const Ps there_and_back(static_cast<std::int64_t>(2 * lane.link));
  agenda_.schedule(agenda_.now() + there_and_back, rank(EventClass::retry, lane.queue.port.device),
                   *this, cookie);
}

void DmaFabric::abandon(std::uint64_t cookie) {
  const Pending& request = pending_[cookie];
  if (request.queue->retired) return forget(cookie);
  Lane& lane = lanes_[request.device];
  ++lane.stats.aborted;
  end_request(cookie, agenda_.now() + Ps(static_cast<std::int64_t>(lane.link)));
}

void DmaFabric::fire(std::uint64_t what) {
  if ((what & look_whether_stopped) != 0) return look_at_stopping(what);
  retried(what);
}

// A retried request arrives.
void DmaFabric::retried(std::uint64_t cookie) {
  const Pending& request = pending_[cookie];
  Stream& queue = *request.queue;
  if (queue.retired) return forget(cookie);
  Lane& lane = lanes_[request.device];
  ++lane.stats.retried;
  ++queue.retried;
  Hpa at;
  const UseStamp stamp = lane.iommu->use_now();
  if (lane.iommu->lookup(queue.port, request.iova, request.access, stamp, at)) {
    ++queue.hits;
    complete(cookie, at, agenda_.now() + lane.iommu->hit_latency(), true);
  } else {
    ++queue.misses;
    lane.iommu->start_walk(queue.port, request.iova, request.access, stamp, *this, cookie);
  }
}

void DmaFabric::emit(const Lane& lane, const Stream& queue, Iova iova, Hpa at, std::uint64_t issue,
                     std::uint64_t completion, std::uint16_t code) {
  TraceEvent event;
  event.time = static_cast<std::int64_t>(completion);
  event.duration = static_cast<std::int64_t>(completion - issue);
  event.address = iova.value();
  event.value = at.value();
  event.component = lane.component;
  event.pasid = queue.port.pasid == no_pasid ? 0 : queue.port.pasid.value();
  event.kind = static_cast<std::uint16_t>(EventKind::translate);
  event.code = code;
  tracer_.emit_request(event);
}

}  // namespace viosim
