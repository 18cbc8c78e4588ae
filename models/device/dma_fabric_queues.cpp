// Queues of devices without a translation cache: enabling and stopping.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/dma_fabric.hpp"
#include "models/device/dma_fabric_function.hpp"
#include "models/device/picoseconds.hpp"
#include "models/event_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

constexpr std::uint64_t life_bits = 0x3ffff;

}  // namespace

DmaFabric::Stream DmaFabric::make_stream(const Lane& lane, const QueueWork& work, Instant start,
                                         Rng rng) {
  Stream queue{.port = {},
               .request = {},
               .interval = count_of(work.dma.interval),
               .next_issue = count_of(start),
               .until = count_of(work.until),
               .left = Workload::first(work.dma.requests),
               .slots = FreeSlots(work.dma.outstanding, start),
               .traffic = Traffic(work.dma.traffic, work.base, rng, work.zipf)};
  queue.port.source = lane.queue.port.source;
  queue.port.device = lane.queue.port.device;
  queue.port.pasid = work.pasid;
  queue.port.privileged = work.privileged;
  queue.request = queue.traffic.next();
  queue.listener = work.listener;
  queue.on_fault = work.dma.on_fault;
  queue.end = queue.until;
  return queue;
}

// Devices with one queue.

WorkQueues& DmaFabric::function(std::uint32_t device) {
  ensure(lanes_[device].function != none, "a device with one queue has no work queues");
  return *functions_[lanes_[device].function];
}

QueueState DmaFabric::queue_state(std::uint32_t device) const { return lanes_[device].queue.state; }

void DmaFabric::enable(std::uint32_t device, const QueueWork& work) {
  Lane& lane = lanes_[device];
  ensure(lane.function == none && lane.queue.state == QueueState::disabled,
         "a queue that is enabled was enabled");
  add_counts(lane.stats, lane.queue);
  const std::uint32_t life = lane.queue.life + 1;
  const Rng rng(lane.seed, fmt::format("{}.{}", paths_[device], life));
  lane.queue = make_stream(lane, work, agenda_.now(), rng);
  lane.queue.life = life;
  rearm(device);
}

void DmaFabric::stop(std::uint32_t device, QueueListener* listener) {
  Stream& queue = lanes_[device].queue;
  ensure(lanes_[device].function == none, "a function with work queues was stopped as a queue");
  if (queue.state != QueueState::running) return;
  queue.listener = listener;
  begin_stop(device, queue);
}

// Requests come back as if it had never been stopped; only those in between were not sent.
void DmaFabric::start(std::uint32_t device) {
  Stream& queue = lanes_[device].queue;
  ensure(lanes_[device].function == none, "a function with work queues was started as a queue");
  if (queue.state == QueueState::running) return;
  queue.state = QueueState::running;
  queue.until = queue.end;
  queue.next_issue = std::max(queue.next_issue, count_of(agenda_.now()));
  rearm(device);
}

void DmaFabric::set_interval(std::uint32_t device, Ps interval) {
  ensure(lanes_[device].function == none, "a function with work queues was paced as a queue");
  settle_issues(device);
  lanes_[device].queue.interval = count_of(interval);
}

// Software is about to change something: what was issued before is settled now. Until it arrives it
// is not known whether it hits, but it comes back more than a link crossing from now.
void DmaFabric::settle_issues(std::uint32_t device) {
  Lane& lane = lanes_[device];
  const std::uint64_t now = count_of(agenda_.now());
  if (lane.function != none) return functions_[lane.function]->issue_until(now);
  for (std::uint64_t at = next_issue(lane.queue); at < now; at = next_issue(lane.queue))
    lane.on_link.push_back({at + lane.link, &lane.queue, issue(lane.queue, at)});
  lane.one_by_one = !lane.on_link.empty();
}

DmaFabric::Stream& DmaFabric::arrive_from_link(std::uint32_t device) {
  Lane& lane = lanes_[device];
  const OnLink issued = lane.on_link.front();
  lane.on_link.erase(lane.on_link.begin());
  arrive(lane, *issued.queue, device, issued.request, issued.arrival);
  return *issued.queue;
}

std::uint64_t DmaFabric::handle_one_by_one(std::uint32_t device, std::uint64_t arrival,
                                           std::uint64_t end) {
  Lane& lane = lanes_[device];
  if (lane.function != none) return functions_[lane.function]->handle(arrival, end);
  while (arrival < end && !lane.on_link.empty()) {
    arrive_from_link(device);
    arrival = next_arrival(lane);
  }
  lane.one_by_one = !lane.on_link.empty();
  return arrival < end ? handle(device, arrival, end) : arrival;
}

// Stopping.

void DmaFabric::begin_stop(std::uint32_t device, Stream& queue) {
  const std::uint64_t now = count_of(agenda_.now());
  settle_issues(device);
  queue.state = QueueState::stopping;
  queue.until = std::min(queue.until, now);
  rearm(device);
  if (on_link(lanes_[device], queue)) return look_later(device, queue, now + lanes_[device].link);
  if (queue.slots.all()) look_later(device, queue, std::max(now, last_completion(queue)));
}

bool DmaFabric::on_link(const Lane& lane, const Stream& queue) {
  return std::any_of(lane.on_link.begin(), lane.on_link.end(),
                     [&](const OnLink& issued) { return issued.queue == &queue; });
}

void DmaFabric::look_later(std::uint32_t device, const Stream& queue, std::uint64_t at) {
  agenda_.schedule(instant_of(at), rank(EventClass::message, queue.port.device), *this,
                   look_whether_stopped | (queue.life & life_bits) << 44U |
                       std::uint64_t{queue.number} << 32U | device);
}

void DmaFabric::look_at_stopping(std::uint64_t what) {
  const auto device = static_cast<std::uint32_t>(what);
  const auto number = static_cast<std::uint32_t>(what >> 32U & 0xfffU);
  Lane& lane = lanes_[device];
  Stream* const queue =
      lane.function == none ? &lane.queue : functions_[lane.function]->queues_[number].get();
  if (queue == nullptr || queue->state != QueueState::stopping) return;
  if ((queue->life & life_bits) != (what >> 44U & life_bits)) return;  // before a reset
  stopped_if_over(device, *queue);
}

void DmaFabric::stopped_if_over(std::uint32_t device, Stream& queue) {
  if (!queue.slots.all() || on_link(lanes_[device], queue)) return;
  if (last_completion(queue) > count_of(agenda_.now()))
    return look_later(device, queue, last_completion(queue));
  if (const std::uint32_t function = lanes_[device].function; function != none)
    return functions_[function]->queue_is_stopped(queue);
  queue.state = QueueState::disabled;
  if (queue.listener != nullptr) queue.listener->queue_stopped(queue.port.source, 0);
}

// Of what has arrived, as far as it is known; 0 when nothing has.
std::uint64_t DmaFabric::last_completion(const Stream& queue) {
  const bool used = queue.hits + queue.misses != queue.retried;
  return used && !queue.slots.empty() ? queue.slots.latest() : 0;
}

// Of a queue that a reset has taken away.
void DmaFabric::forget(std::uint64_t cookie) {
  const Pending& request = pending_[cookie];
  --request.queue->pending;
  free_pending_.push_back(static_cast<std::uint32_t>(cookie));
  functions_[lanes_[request.device].function]->bury(*request.queue);
}

}  // namespace viosim
