// Functions with work queues but no translation cache: turns, stops, resets, unplugging.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/dma_fabric_function.hpp"

#include "models/device/dma_fabric.hpp"
#include "models/device/picoseconds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

QueueState DmaFabric::Function::queue_state(std::uint32_t queue) const {
  const auto& found = queues_.at(queue);
  return found ? found->state : QueueState::disabled;
}

void DmaFabric::Function::enable(std::uint32_t queue, const QueueWork& work) {
  ensure(present_, "a queue of a function that is not there was enabled");
  ensure(queues_.at(queue) == nullptr, "a queue that is enabled was enabled");
  ++stats_.enabled;
  const std::uint32_t life = lives_[queue]++;
  const Rng rng(config_.seed, fmt::format("{}.queue[{}].{}", config_.path, queue, life));
  queues_[queue] =
      std::make_unique<Stream>(DmaFabric::make_stream(lane(), work, fabric_.agenda_.now(), rng));
  queues_[queue]->number = queue;
  queues_[queue]->life = life;
  offer(*queues_[queue]);
  fabric_.rearm(device_);
}

void DmaFabric::Function::stop_queue(std::uint32_t queue, bool /*marker*/) {
  Stream* const found = queues_.at(queue).get();
  if (found == nullptr || found->state != QueueState::running) return;
  fabric_.begin_stop(device_, *found);
}

void DmaFabric::Function::queue_is_stopped(Stream& queue) {
  const std::uint32_t number = queue.number;
  QueueListener* const listener = queue.listener;
  ++stats_.stopped;
  DmaFabric::add_counts(lane().stats, queue);
  turns_.remove(number);
  queues_[number].reset();
  fabric_.rearm(device_);
  if (listener != nullptr) listener->queue_stopped(config_.source, number);
}

std::uint64_t DmaFabric::Function::next_arrival() const {
  if (!lane().on_link.empty()) return lane().on_link.front().arrival;
  if (turns_.empty()) return ArrivalBoard::idle;
  return std::max(lane().queue.next_issue, turns_.earliest()) + lane().link;
}

// The function's arrivals up to the end of the window. Returns its next arrival after that.
std::uint64_t DmaFabric::Function::handle(std::uint64_t arrival, std::uint64_t end) {
  Lane& function = lane();
  do {
    if (!function.on_link.empty()) [[unlikely]] {
      offer(fabric_.arrive_from_link(device_));
    } else if (const std::uint64_t at = arrival - function.link;
               Stream* const queue = take_turn(at)) {
      const Traffic::Next request = DmaFabric::issue(*queue, at);
      function.queue.next_issue = at + function.queue.interval;
      fabric_.arrive(function, *queue, device_, request, arrival);
      offer(*queue);
    }
    arrival = next_arrival();
  } while (arrival < end);
  return arrival;
}

void DmaFabric::Function::issue_until(std::uint64_t end) {
  Lane& function = lane();
  while (!turns_.empty()) {
    const std::uint64_t at = std::max(function.queue.next_issue, turns_.earliest());
    if (at >= end) break;
    Stream* const next = take_turn(at);
    if (next == nullptr) continue;
    function.on_link.push_back({at + function.link, next, DmaFabric::issue(*next, at)});
    function.queue.next_issue = at + function.queue.interval;
    offer(*next);
  }
}

// Null: those whose turn it would have been were stopped before.
DmaFabric::Stream* DmaFabric::Function::take_turn(std::uint64_t issue) {
  const std::uint32_t queue = turns_.take(issue, [&](std::uint32_t number) {
    queues_[number]->takes_turns = false;
    return issue < queues_[number]->until;
  });
  return queue == RoundRobin::nobody ? nullptr : queues_[queue].get();
}

// The queue takes turns from when it has something to send, which may be earlier than was known.
void DmaFabric::Function::offer(Stream& queue) {
  const std::uint64_t at = DmaFabric::next_issue(queue);
  if (at == ArrivalBoard::idle || (queue.takes_turns && at >= queue.turn)) return;
  if (queue.takes_turns) turns_.remove(queue.number);
  queue.takes_turns = true;
  queue.turn = at;
  turns_.add(queue.number, at);
}

std::uint64_t DmaFabric::Function::requests_in_flight() const {
  const std::uint64_t now = count_of(fabric_.agenda_.now());
  std::uint64_t requests = 0;
  for (const auto& queue : queues_) requests += queue ? queue->slots.in_use(now) : 0;
  return requests;
}

void DmaFabric::Function::add_counts(DeviceStats& to) const {
  for (const auto& queue : queues_)
    if (queue) DmaFabric::add_counts(to, *queue);
}

void DmaFabric::Function::reset_function() {
  if (!present_) return;
  const std::uint64_t now = count_of(fabric_.agenda_.now());
  ++stats_.resets;
  issue_until(now);
  lane().on_link.clear();
  turns_.clear();
  for (auto& queue : queues_) {
    if (!queue) continue;
    stats_.dropped += queue->slots.in_use(now);
    DmaFabric::add_counts(lane().stats, *queue);
    queue->retired = true;
    if (queue->pending != 0) retired_.push_back(std::move(queue));
    queue.reset();
  }
  lane().stats.last_completion = std::min(lane().stats.last_completion, now);
  fabric_.rearm(device_);
}

void DmaFabric::Function::remove() {
  if (!present_) return;
  reset_function();
  ++stats_.removals;
  present_ = false;
}

void DmaFabric::Function::insert() {
  ensure(!present_, "a function that is there was plugged in");
  present_ = true;
}

void DmaFabric::Function::bury(Stream& queue) {
  if (queue.pending != 0) return;
  std::erase_if(retired_, [&](const auto& each) { return each.get() == &queue; });
}

}  // namespace viosim
