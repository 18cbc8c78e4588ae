// What a function with a translation cache exchanges with software: invalidations and page requests.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/ats_device.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {

void AtsDevice::invalidate(const AtsInvalidation& invalidation) {
  ensure(invalidation.tag < tags, "an invalidation has a tag beyond 31");
  arriving_invalidations_.push_back(invalidation);
  schedule(agenda_.now() + config_.link.latency, What::invalidation);
}

// PCIe 10.3: the answer says that nothing uses the translations any more. Posted requests that do are
// pushed by the answer, which follows them; reads have come back.
void AtsDevice::invalidation_arrives() {
  const AtsInvalidation invalidation = arriving_invalidations_.front();
  arriving_invalidations_.pop_front();
  if (!present()) {
    ++queue_stats_.lost_invalidations;
    return;
  }
  ++stats.invalidations;
  const bool keeps = does(Misdeed::keep_invalidated, invalidation.pasid);
  if (!keeps) {
    tlb_.invalidate(invalidation);
    if (translating_ != 0) invalidations_.push_back(invalidation);
  }
  if (does(Misdeed::never_answer, invalidation.pasid)) return;
  Unanswered& unanswered = unanswered_[invalidation.tag];
  if (!unanswered.open) unanswered = {agenda_.now(), {}, 0, true};
  unanswered.ready = agenda_.now() + params_.invalidation;
  for (Request& request : requests_) {
    const bool uses = request.stage == Stage::using_translation &&
                      invalidation.covers(request.queue->port.pasid, request.page, request.size);
    if (keeps || !uses) continue;
    if (request.access == Access::write) {
      unanswered.ready = std::max(unanswered.ready, request.departure);
    } else if ((request.holds >> invalidation.tag & 1U) == 0) {
      request.holds |= std::uint32_t{1} << invalidation.tag;
      ++unanswered.users;
    }
  }
  if (unanswered.users == 0) answer_when_ready(invalidation.tag);
}

void AtsDevice::answer_when_ready(std::uint32_t tag) {
  schedule(std::max(agenda_.now(), unanswered_[tag].ready), What::answer, tag);
}

void AtsDevice::answer_leaves(std::uint32_t tag) {
  Unanswered& unanswered = unanswered_[tag];
  // The tag was used again meanwhile: one answer, to the later one.
  if (!unanswered.open || unanswered.users != 0 || unanswered.ready > agenda_.now()) return;
  unanswered.open = false;
  invalidation_latency.record(agenda_.now() - unanswered.arrival);
  const Instant arrival = agenda_.now() + config_.link.latency;
  schedule(arrival, What::answered, tag);
  if (does(Misdeed::answer_twice)) schedule(arrival, What::answered, tag);
}

// A request that used a translation is over.
void AtsDevice::release(Request& request) {
  for (std::uint32_t tag = 0; request.holds >> tag != 0; ++tag) {
    if ((request.holds >> tag & 1U) == 0) continue;
    if (--unanswered_[tag].users == 0) answer_when_ready(tag);
    if (tag + 1 == tags) break;
  }
  request.holds = 0;
}

// A translation request was sent before an invalidation that covers its completion: whether the IOMMU
// had forgotten by then, nobody knows here.
bool AtsDevice::overtaken(const Request& request, Iova page, Bytes size) const {
  for (std::uint64_t i = request.invalidations_before - invalidations_dropped_;
       i < invalidations_.size(); ++i) {
    if (invalidations_[i].covers(request.queue->port.pasid, page, size)) return true;
  }
  return false;
}

void AtsDevice::page_needed(std::uint32_t number) {
  constexpr std::uint16_t most = 10'000;
  Request& request = requests_[number];
  const Queue& queue = *request.queue;
  ++stats.faults;
  if (++request.asked > most) {
    throw LivelockError(fmt::format(
        "{} asked for the page at {:#x} {} times, was told each time that it is there, "
        "and does not find it: table or cache by which it is translated are not what "
        "software has mapped, or not all of its page requests reach software, as where a group is "
        "larger than their queue",
        config_.path, request.iova.value(), most));
  }
  if (!page_requests_enabled() || !may_issue() || !may_issue(queue)) return fail(number);
  request.stage = Stage::waiting_for_page;
  request.since = agenda_.now();
  std::vector<PageRequest> sends;
  const PageAsker asker{config_.source, queue.port.pasid, queue.port.privileged, queue.window_end};
  pages_->want(asker, number, request.iova.page_base(page_4k), request.access, sends);
  send(sends);
}

AtsDevice& AtsDevice::sharing(Bdf source) {
  if (source == config_.source) return *this;
  AtsDevice& physical = physical_ == nullptr ? *this : *physical_;
  if (source == physical.config_.source) return physical;
  const auto found =
      std::find_if(physical.virtual_functions_.begin(), physical.virtual_functions_.end(),
                   [&](const AtsDevice* function) { return function->config_.source == source; });
  ensure(found != physical.virtual_functions_.end(),
         "a page request of a function that does not share them");
  return **found;
}

void AtsDevice::send(const std::vector<PageRequest>& requests) {
  for (const PageRequest& request : requests) sharing(request.source).send_own(request);
}

void AtsDevice::send_own(const PageRequest& request) {
  ++stats.page_requests;
  arriving_page_requests_.push_back({request, trace_.epoch_of(request.pasid)});
  schedule(agenda_.now() + config_.link.latency, What::page_request);
  if (pages_ != nullptr) stats.page_groups = pages_->groups_sent(config_.source);
}

void AtsDevice::answer(const PageResponse& response) {
  arriving_responses_.push_back(response);
  schedule(agenda_.now() + config_.link.latency, What::response);
}

void AtsDevice::response_arrives() {
  const PageResponse response = arriving_responses_.front();
  arriving_responses_.pop_front();
  if (!present()) {
    ++queue_stats_.lost_responses;
    return;
  }
  if (pages_ == nullptr) {
    ++stats.unexpected_responses;
    return;
  }
  std::vector<PageRequest> sends;
  const PageRequester::Answered answered = pages_->answered(response, sends);
  tell_answered(response, answered.outcome);
  send(sends);
  go_on_after(answered);
}

void AtsDevice::go_on_after(const PageRequester::Answered& answered) {
  switch (answered.outcome) {
    case PageRequester::Outcome::unexpected:
      ++stats.unexpected_responses;
      return;
    case PageRequester::Outcome::ignored:
      ++stats.ignored_responses;
      return;
    case PageRequester::Outcome::abandoned:  // no response has arrived
      return;
    case PageRequester::Outcome::retry:
    case PageRequester::Outcome::end:
      break;
  }
  ++stats.page_responses;
  const bool retry = answered.outcome == PageRequester::Outcome::retry;
  for (const PageWaiter& waiter : answered.waiters)
    sharing(waiter.source).pages_answered(waiter.number, retry);
}

void AtsDevice::pages_answered(std::uint32_t number, bool retry) {
  page_latency.record(agenda_.now() - requests_[number].since);
  if (retry) {
    part(requests_[number], EventKind::page, agenda_.now());
    look_up(number);
  } else {
    fail(number);
  }
}

void AtsDevice::abort_pasid(Pasid pasid) {
  if (pages_ == nullptr) return;
  std::vector<PageRequest> sends;
  const auto abandoned = pages_->abandon(config_.source, pasid, sends);
  PageResponse missing;
  missing.source = config_.source;
  missing.pasid = pasid;
  for (const PageRequester::Abandoned& group : abandoned) {
    missing.group = group.index;
    tell_answered(missing, PageRequester::Outcome::abandoned);
  }
  send(sends);
  for (const PageRequester::Abandoned& group : abandoned)
    for (const std::uint32_t waiter : group.waiters) fail(waiter);
}

void AtsDevice::enable_page_requests() {
  if (pages_ != nullptr) pages_->enable();
}

}  // namespace viosim
