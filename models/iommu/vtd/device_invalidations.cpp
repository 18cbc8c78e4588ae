// Sending when there is a tag, and what comes back, or does not.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/device_invalidations.hpp"

#include "models/event_order.hpp"
#include "models/pcie/ats_trace.hpp"

#include <algorithm>

namespace viosim::vtd {

void DeviceInvalidations::attach(Bdf source, AtsFunction& function, Ps link) {
  const bool added = functions_.try_emplace(source, Function{&function, link}).second;
  ensure(added, "a function was attached for ATS twice");
}

void DeviceInvalidations::detach(Bdf source) {
  const std::size_t removed = functions_.erase(source);
  ensure(removed == 1, "a function was detached that is not attached for ATS");
  // What waits for it never leaves, and is over: there is no one to send it to.
  std::deque<Waiting> kept;
  std::deque<Waiting> over;
  for (const Waiting& request : waiting_)
    (request.descriptor.source == source ? over : kept).push_back(request);
  waiting_ = kept;
  for (const Waiting& request : over) owner_.device_invalidated(request.cookie);
}

void DeviceInvalidations::schedule(Instant at, What what, std::uint64_t argument) {
  agenda_.schedule(at, rank(EventClass::invalidation, number_), *this,
                   argument << 1U | static_cast<std::uint64_t>(what));
}

void DeviceInvalidations::send(std::uint64_t cookie, const Descriptor& descriptor) {
  ensure(attached(descriptor.source), "an invalidation request for a function that is not there");
  const Waiting request{cookie, descriptor};
  if (try_send(request)) return;
  ++stats.queued;
  waiting_.push_back(request);
}

bool DeviceInvalidations::try_send(const Waiting& request) {
  const Descriptor& descriptor = request.descriptor;
  const Bdf depth_of =
      descriptor.physical_function.value() == 0 ? descriptor.source : descriptor.physical_function;
  const std::uint32_t depth = descriptor.queue_depth == 0 ? tags_each : descriptor.queue_depth;
  std::uint32_t& pending = pending_[depth_of];
  if (pending >= depth) return false;
  Tags& tags = tags_[descriptor.source];
  unsigned looked_at = 0;
  while (looked_at < tags_each && tags.sent[tags.next].number != 0) {
    tags.next = (tags.next + 1) % tags_each;
    ++looked_at;
  }
  if (looked_at == tags_each) return false;
  const unsigned tag = tags.next;
  tags.next = (tag + 1) % tags_each;
  tags.sent[tag] = {request.cookie, ++last_number_, depth_of};
  ++pending;
  ++stats.sent;
  stats.in_flight_most = std::max(stats.in_flight_most, ++in_flight_);
  regard_deadline();
  deadlines_.push_back({agenda_.now() + timeout_, last_number_, descriptor.source, tag});
  arm();
  functions_.at(descriptor.source)
      .function->invalidate(descriptor.device_tlb_message(static_cast<std::uint8_t>(tag)));
  return true;
}

// In order; one that cannot go yet does not hold up those to other functions.
void DeviceInvalidations::send_waiting() {
  std::deque<Waiting> still;
  for (const Waiting& request : waiting_) {
    if (!try_send(request)) still.push_back(request);
  }
  waiting_ = std::move(still);
}

void DeviceInvalidations::answer(const Descriptor& descriptor) {
  const auto at = functions_.find(descriptor.source);
  if (at == functions_.end()) {
    ++stats.responses_lost;
    return;
  }
  ++stats.responses;
  if (trace.on()) trace.emit(told(descriptor.response(), agenda_.now()));
  at->second.function->answer(descriptor.response());
  const Ps way = at->second.link + at->second.function->answer_time();
  answers_arrive_ = std::max(answers_arrive_, agenda_.now() + way);
}

void DeviceInvalidations::completed(Bdf source, std::uint32_t tags) {
  const auto at = functions_.find(source);
  if (at == functions_.end()) {  // unplugged while it was on its way: nobody listens
    ++stats.completions_lost;
    return;
  }
  on_its_way(at->second.link, std::uint64_t{tags} << 16U | source.value());
}

void DeviceInvalidations::on_its_way(Ps way, std::uint64_t completion) {
  const Ruling ruling = injection.ask(Message::invalidation_completion);
  if (ruling.fate == Fate::drop) return;
  if (ruling.fate == Fate::reorder) return held_completions_.push_back(completion);
  const Instant arrival = agenda_.now() + way + ruling.by;
  schedule(arrival, What::arrival, completion);
  if (ruling.fate == Fate::duplicate) schedule(arrival, What::arrival, completion);
  for (; !held_completions_.empty(); held_completions_.pop_front())
    schedule(arrival, What::arrival, held_completions_.front());
}

void DeviceInvalidations::fire(std::uint64_t what) {
  const std::uint64_t argument = what >> 1U;
  if (static_cast<What>(what & 1U) == What::timeout) return look_at_deadlines();
  arrived(Bdf(static_cast<std::uint16_t>(argument)), static_cast<std::uint32_t>(argument >> 16U));
}

// Its tag is free, and its place in the function's queue.
DeviceInvalidations::Sent DeviceInvalidations::end(Sent& sent) {
  const Sent ended = sent;
  --pending_.at(sent.depth_of);
  --in_flight_;
  regard_deadline();
  sent = {};
  return ended;
}

void DeviceInvalidations::arrived(Bdf source, std::uint32_t tags) {
  Tags& known = tags_[source];
  bool unexpected = tags == 0;
  for (unsigned tag = 0; tag < tags_each; ++tag) {
    if ((tags >> tag & 1U) == 0) continue;
    if (known.sent[tag].number == 0) {
      unexpected = true;
    } else {
      owner_.device_invalidated(end(known.sent[tag]).cookie);
    }
  }
  if (unexpected) {
    ++stats.unexpected;
    owner_.device_unexpected(source);
  }
  send_waiting();
}

// Requests expire in the order in which they were sent, so that one event is pending for all.
void DeviceInvalidations::arm() {
  if (armed_ || deadlines_.empty()) return;
  armed_ = true;
  schedule(deadlines_.front().at, What::timeout);
}

// What is completed must not keep the run going until its deadline.
void DeviceInvalidations::regard_deadline() {
  const bool aside = armed_ && in_flight_ == 0;
  if (aside == deadline_aside_) return;
  deadline_aside_ = aside;
  aside ? agenda_.set_aside() : agenda_.take_back();
}

void DeviceInvalidations::look_at_deadlines() {
  armed_ = false;
  regard_deadline();
  while (!deadlines_.empty()) {
    const Deadline next = deadlines_.front();
    Sent& sent = tags_[next.source].sent[next.tag];
    if (sent.number == next.number) {
      if (next.at > agenda_.now()) break;
      ++stats.timeouts;
      owner_.device_timed_out(end(sent).cookie, next.source);
    }
    deadlines_.pop_front();
  }
  send_waiting();
  arm();
}

}  // namespace viosim::vtd
