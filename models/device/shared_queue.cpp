// Descriptors from the portal to an engine, and their end.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/shared_queue.hpp"

#include "models/event_order.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

SharedQueue::SharedQueue(AtsDevice& function, std::uint32_t first, const SharedQueueParams& params,
                         LinkParams link, std::uint32_t number, Agenda& agenda)
    : function_(function),
      first_(first),
      params_(params),
      link_(link),
      number_(number),
      agenda_(agenda),
      engines_(params.engines),
      halting_(params.engines) {
  ensure(first + params.engines <= function.queues(),
         "a shared queue has more engines than its function has queues");
}

std::uint32_t SharedQueue::submit(const Descriptor& descriptor) {
  ensure(descriptor.dma.requests != 0, "a descriptor without an end was submitted");
  if (free_outcomes_.empty()) {
    free_outcomes_.push_back(static_cast<std::uint32_t>(outcomes_.size()));
    outcomes_.push_back(Outcome::free);
  }
  const std::uint32_t submission = free_outcomes_.back();
  free_outcomes_.pop_back();
  outcomes_[submission] = Outcome::on_its_way;
  arriving_.push_back({descriptor, submission});
  agenda_.schedule(agenda_.now() + link_.latency, rank(EventClass::message, number_), *this, 0);
  return submission;
}

std::optional<bool> SharedQueue::outcome(std::uint32_t submission) {
  Outcome& outcome = outcomes_.at(submission);
  ensure(outcome != Outcome::free, "a submission's outcome was asked for twice");
  if (outcome == Outcome::on_its_way) return {};
  const bool accepted = outcome == Outcome::accepted;
  free_outcome(submission);
  return accepted;
}

void SharedQueue::forget(std::uint32_t submission) {
  Outcome& outcome = outcomes_.at(submission);
  ensure(outcome != Outcome::free, "a submission whose outcome is known was forgotten");
  if (outcome == Outcome::on_its_way) {
    outcome = Outcome::forgotten;
  } else {
    free_outcome(submission);
  }
}

void SharedQueue::free_outcome(std::uint32_t submission) {
  outcomes_[submission] = Outcome::free;
  free_outcomes_.push_back(submission);
}

void SharedQueue::fire(std::uint64_t /*what*/) {
  const Arriving arrived = arriving_.front();
  arriving_.pop_front();
  notice_reset();
  const bool accepted = take(arrived.descriptor);
  if (outcomes_[arrived.submission] == Outcome::forgotten) return free_outcome(arrived.submission);
  outcomes_[arrived.submission] = accepted ? Outcome::accepted : Outcome::refused;
}

bool SharedQueue::take(const Descriptor& descriptor) {
  if (!function_.present()) {
    ++stats_.unanswered;
    return false;
  }
  if (waiting_.size() >= params_.entries) {
    ++stats_.refused;
    return false;
  }
  ++stats_.accepted;
  waiting_.push_back(descriptor);
  dispatch();
  stats_.longest = std::max<std::uint64_t>(stats_.longest, waiting_.size());
  return true;
}

void SharedQueue::dispatch() {
  for (std::uint32_t engine = 0; engine < params_.engines && !waiting_.empty(); ++engine) {
    if (engines_[engine]) continue;
    const Descriptor next = waiting_.front();
    waiting_.pop_front();
    engines_[engine] = next;
    QueueWork work;
    work.pasid = next.pasid;
    work.pasid_life = next.pasid_life;
    work.privileged = next.privileged;
    work.dma = next.dma;
    work.base = next.base;
    work.zipf = next.zipf;
    work.listener = this;
    function_.enable(first_ + engine, work);
  }
}

void SharedQueue::notice_reset() {
  if (!was_reset()) return;
  resets_ = function_.queue_stats().resets;
  stats_.lost += waiting_.size() + engines_at_work();
  waiting_.clear();
  std::fill(engines_.begin(), engines_.end(), std::nullopt);
  std::fill(halting_.begin(), halting_.end(), false);
}

// Those that a reset took are lost, also when nobody has looked since.
SharedQueueStats SharedQueue::stats() const {
  SharedQueueStats stats = stats_;
  if (was_reset()) stats.lost += waiting_.size() + engines_at_work();
  return stats;
}

std::size_t SharedQueue::at_work() const { return was_reset() ? 0 : engines_at_work(); }

std::size_t SharedQueue::engines_at_work() const {
  return static_cast<std::size_t>(std::count_if(engines_.begin(), engines_.end(),
                                                [](const auto& each) { return each.has_value(); }));
}

void SharedQueue::end(const Descriptor& descriptor, End end) {
  if (end == End::aborted) {
    ++stats_.aborted;
  } else {
    ++stats_.done;
    stats_.failed += end == End::failed ? 1 : 0;
  }
  if (descriptor.listener != nullptr) descriptor.listener->descriptor_ended(descriptor.cookie, end);
}

void SharedQueue::queue_done(Bdf /*source*/, std::uint32_t queue, std::uint64_t failed) {
  const Descriptor descriptor = *std::exchange(engines_[queue - first_], std::nullopt);
  end(descriptor, failed == 0 ? End::done : End::failed);
  function_.stop_queue(queue, false);  // at once: it has nothing in flight
}

// When its descriptor is done, or when its PASID was stopped before that.
void SharedQueue::queue_stopped(Bdf /*source*/, std::uint32_t queue) {
  const std::uint32_t engine = queue - first_;
  const bool halted = halting_[engine];
  halting_[engine] = false;
  if (const auto descriptor = std::exchange(engines_[engine], std::nullopt)) {
    if (halted) {
      descriptor->listener->descriptor_halted(descriptor->cookie, function_.rest(queue));
    } else {
      end(*descriptor, End::aborted);
    }
  }
  dispatch();
}

void SharedQueue::stop_pasid(Pasid pasid, bool marker) {
  notice_reset();
  std::vector<Descriptor> over;
  std::erase_if(waiting_, [&](const Descriptor& descriptor) {
    if (descriptor.pasid != pasid) return false;
    over.push_back(descriptor);
    return true;
  });
  for (const Descriptor& descriptor : over) end(descriptor, End::aborted);
  for (std::uint32_t engine = 0; engine < params_.engines; ++engine) {
    if (engines_[engine] && engines_[engine]->pasid == pasid) halting_[engine] = false;
  }
  function_.stop_pasid(pasid, marker);
}

void SharedQueue::halt() {
  notice_reset();
  for (const Descriptor& descriptor : std::exchange(waiting_, {}))
    descriptor.listener->descriptor_halted(descriptor.cookie, {descriptor.dma.requests, 0});
  for (std::uint32_t engine = 0; engine < params_.engines; ++engine) {
    if (!engines_[engine] || !function_.at_work(first_ + engine)) continue;
    halting_[engine] = true;
    function_.stop_queue(first_ + engine, false);
  }
}

void SharedQueue::put_back(const Descriptor& descriptor) {
  notice_reset();
  waiting_.push_back(descriptor);
  dispatch();
  ensure(waiting_.size() <= params_.entries,
         "a shared queue has no entry for what comes back to it");
}

}  // namespace viosim
