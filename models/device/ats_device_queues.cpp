// The work queues of a function with a translation cache: turns, enabling and stopping.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/ats_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

DeviceFunction function_of(const DmaFabric::Device& device) {
  DeviceFunction function;
  function.path = device.path;
  function.iommu = device.iommu;
  function.source = device.source;
  function.link = device.link;
  function.memory_latency = device.memory_latency;
  function.seed = device.seed;
  function.number = device.number;
  function.component = device.component;
  function.params = {1, Ps(0)};
  return function;
}

}  // namespace

AtsDevice::AtsDevice(const DeviceFunction& function, const AtsParams& ats,
                     const std::optional<PriParams>& pri, const Wiring& wiring)
    : config_(function),
      params_(ats),
      agenda_(wiring.agenda),
      tracer_(wiring.tracer),
      host_(wiring.host),
      tlb_(ats.tlb, Rng(function.seed, function.path + ".device_tlb")),
      queues_(function.params.queues),
      turns_(function.params.queues),
      rests_(function.params.queues),
      lives_(function.params.queues) {
  if (pri) own_pages_ = std::make_unique<PageRequester>(*pri, ats.misbehaviour);
  pages_ = own_pages_.get();
  config_.iommu->reaches_memory_in(config_.memory_latency);
  trace_.trace_to(wiring.tracer, function.component, wiring.lives);
}

AtsDevice::AtsDevice(const DeviceFunction& function, const AtsParams& ats, AtsDevice& physical,
                     const Wiring& wiring)
    : AtsDevice(function, ats, std::optional<PriParams>(), wiring) {
  physical_ = &physical;
  pages_ = physical.pages_;
  physical.virtual_functions_.push_back(this);
}

AtsDevice::AtsDevice(const DmaFabric::Device& device, const AtsParams& ats,
                     const std::optional<PriParams>& pri, const Wiring& wiring)
    : AtsDevice(function_of(device), ats, pri, wiring) {
  queue_is_fixed_ = true;
  QueueWork work;
  work.pasid = device.pasid;
  work.dma = device.dma;
  work.base = device.base;
  work.until = device.until;
  work.zipf = device.zipf;
  put(0, work, device.start, Rng(device.seed, device.path));
}

void AtsDevice::set_interval(Ps interval) {
  ensure(queue_is_fixed_, "a function with work queues was paced as one queue");
  queues_[0]->interval = interval;
}

// Turns.

bool AtsDevice::may_issue() const {
  return state_ == State::run || (state_ == State::stopped && goes_on_);
}

bool AtsDevice::may_issue(const Queue& queue) const {
  return queue.state == Enabled::running || (queue.state == Enabled::stopped && !queue.retired);
}

// The queue takes turns if there is something that it may send.
void AtsDevice::offer(Queue& queue) {
  if (queue.takes_turns || queue.left == 0 || queue.in_flight >= queue.outstanding ||
      !may_issue(queue))
    return;
  if (std::max(agenda_.now(), queue.next_issue) >= queue.until) {
    if (queue.until == Instant::latest()) throw TimeLimitError("a request of " + path());
    return;
  }
  queue.takes_turns = true;
  turns_.add(queue.number, static_cast<std::uint64_t>(queue.next_issue.ps()));
}

void AtsDevice::consider_issue() {
  if (turns_.empty() || !may_issue()) return;
  const Instant first(Ps(static_cast<std::int64_t>(turns_.earliest())));
  const Instant at = std::max({agenda_.now(), next_issue_, first});
  if (at >= issue_at_) return;
  issue_at_ = at;
  schedule(at, What::issue);
}

AtsDevice::Queue* AtsDevice::take_turn() {
  const auto now = static_cast<std::uint64_t>(agenda_.now().ps());
  const std::uint32_t queue = turns_.take(now, [&](std::uint32_t number) {
    queues_[number]->takes_turns = false;
    return agenda_.now() < queues_[number]->until;
  });
  return queue == RoundRobin::nobody ? nullptr : queues_[queue].get();
}

// Enabling and stopping.

QueueState AtsDevice::queue_state(std::uint32_t queue) const {
  const Queue* const found = queues_.at(queue).get();
  if (found == nullptr || found->state == Enabled::stopped) return QueueState::disabled;
  return found->state == Enabled::running ? QueueState::running : QueueState::stopping;
}

bool AtsDevice::at_work(std::uint32_t queue) const {
  const Queue* const found = queues_.at(queue).get();
  return found != nullptr && found->state == Enabled::running &&
         (found->left > 0 || found->in_flight > 0);
}

Pasid AtsDevice::pasid_of(const QueueWork& work) const {
  if (work.pasid == no_pasid) return no_pasid;
  if (does(Misdeed::wrong_pasid, work.pasid)) return pasid_max;
  return does(Misdeed::zero_pasid, work.pasid) ? Pasid(0) : work.pasid;
}

void AtsDevice::put(std::uint32_t number, const QueueWork& work, Instant start, Rng rng) {
  IommuPort port;
  port.source = config_.source;
  port.pasid = pasid_of(work);
  port.device = config_.number;
  port.privileged = work.privileged;
  queues_[number] =
      std::make_unique<Queue>(Queue{.port = port,
                                    .epoch = trace_.epoch_of(port.pasid),
                                    .traffic = Traffic(work.dma.traffic, work.base, rng, work.zipf),
                                    .window_end = work.base + work.dma.traffic.window,
                                    .interval = work.dma.interval,
                                    .next_issue = start,
                                    .until = work.until,
                                    .left = Workload::first(work.dma.requests),
                                    .all = Workload::first(work.dma.requests),
                                    .listener = work.listener,
                                    .number = number,
                                    .outstanding = work.dma.outstanding});
  offer(*queues_[number]);
  consider_issue();
}

void AtsDevice::enable(std::uint32_t queue, const QueueWork& work) {
  ensure(present(), "a queue of a function that is not there was enabled");
  ensure(queue_state(queue) == QueueState::disabled, "a queue that is enabled was enabled");
  if (queues_[queue]) retire(queue);
  ++queue_stats_.enabled;
  tell_begun(queue, work);
  const std::string stream = fmt::format("{}.queue[{}].{}", config_.path, queue, lives_[queue]++);
  put(queue, work, agenda_.now(), Rng(config_.seed, stream));
}

void AtsDevice::stop_queue(std::uint32_t queue, bool marker) {
  ensure(!queue_is_fixed_, "the queue of a function that has only one was stopped");
  Queue* const found = queues_.at(queue).get();
  if (found == nullptr || found->state != Enabled::running) return;
  found->marker = marker;
  begin_stop(*found);
  consider_issue();  // of a function that misbehaves
}

void AtsDevice::begin_stop(Queue& queue) {
  const std::uint32_t number = queue.number;
  queue.state = Enabled::stopping;
  queue.failed_at_stop = queue.failed;
  if (std::exchange(queue.takes_turns, false)) turns_.remove(number);
  if (pages_ != nullptr) {
    const auto of_queue = [&](std::uint32_t waiter) { return requests_[waiter].queue == &queue; };
    for (const std::uint32_t waiter : pages_->give_up_unsent(config_.source, of_queue))
      fail(waiter);
  }
  // With the last of these it may have come to its stop, and even have been enabled again.
  Queue* const still = queues_[number].get();
  if (still != &queue || queue.state != Enabled::stopping) return;
  if (queue.in_flight == 0 || does(Misdeed::stop_early, queue.port.pasid)) queue_is_stopped(queue);
}

void AtsDevice::stop_pasid(Pasid pasid, bool marker) {
  ensure(!queue_is_fixed_, "the queue of a function that has only one was stopped");
  const auto known = std::find_if(stopping_pasids_.begin(), stopping_pasids_.end(),
                                  [&](const StoppingPasid& each) { return each.pasid == pasid; });
  if (known == stopping_pasids_.end()) {
    stopping_pasids_.push_back({pasid, marker});
  } else {
    known->marker = known->marker || marker;
  }
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    Queue* const queue = queues_[number].get();
    if (queue != nullptr && queue->port.pasid == pasid && queue->state == Enabled::running)
      begin_stop(*queue);
  }
  pasid_may_be_stopped(pasid);
  consider_issue();
}

bool AtsDevice::pasid_in_use(Pasid pasid) const {
  return std::any_of(queues_.begin(), queues_.end(), [&](const auto& queue) {
    return queue != nullptr && queue->port.pasid == pasid && queue->state != Enabled::stopped;
  });
}

// A request of the queue is over.
void AtsDevice::settle(Queue& queue) {
  if (queue.retired) return bury(queue);
  if (queue.state == Enabled::stopping) {
    if (queue.in_flight == 0) queue_is_stopped(queue);
    return;
  }
  offer(queue);
  if (queue.left == 0 && queue.in_flight == 0 && queue.listener != nullptr &&
      queue.state == Enabled::running)
    queue.listener->queue_done(config_.source, queue.number, queue.failed);
}

void AtsDevice::queue_is_stopped(Queue& queue) {
  const std::uint32_t number = queue.number;
  const Pasid pasid = queue.port.pasid;
  QueueListener* const listener = queue.listener;
  ++queue_stats_.stopped;
  rests_[number] = {queue.left + (queue.failed - queue.failed_at_stop), queue.failed_at_stop};
  if (queue.marker) send_marker(pasid);
  if (does(Misdeed::use_after_stop, pasid)) {
    queue.state = Enabled::stopped;
    if (queue.left == 0) queue.left = queue.all;  // what is done is begun anew
    offer(queue);
  } else if (queue.in_flight != 0) {
    queue.state = Enabled::stopped;
    queue.left = 0;
  } else {
    queues_[number].reset();
  }
  if (listener != nullptr) listener->queue_stopped(config_.source, number);
  pasid_may_be_stopped(pasid);
}

void AtsDevice::pasid_may_be_stopped(Pasid pasid) {
  const auto stopping =
      std::find_if(stopping_pasids_.begin(), stopping_pasids_.end(),
                   [&](const StoppingPasid& each) { return each.pasid == pasid; });
  if (stopping == stopping_pasids_.end() || pasid_in_use(pasid)) return;
  const bool marker = stopping->marker;
  stopping_pasids_.erase(stopping);
  if (marker) send_marker(pasid);
  for (QueueListener* const listener : pasid_listeners_)
    listener->pasid_stopped(config_.source, pasid);
}

// It ends the use of a PASID: what came without one has no such end. And it is a page request: a function
// that has none, or may not send any, sends no marker.
void AtsDevice::send_marker(Pasid pasid) {
  if (pasid == no_pasid || !page_requests_enabled()) return;
  PageRequest marker;
  marker.source = config_.source;
  marker.pasid = pasid;
  marker.last = true;
  send_own(marker);
}

}  // namespace viosim
