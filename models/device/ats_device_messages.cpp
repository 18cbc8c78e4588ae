// What a function with a translation cache exchanges with software: invalidations, page requests, and
// its states.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/ats_device.hpp"

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
  ++stats.invalidations;
  const bool keeps = params_.misbehaviour.keep_invalidated;
  if (!keeps) {
    tlb_.invalidate(invalidation);
    if (translating_ != 0) invalidations_.push_back(invalidation);
  }
  if (params_.misbehaviour.never_answer) return;
  Unanswered& unanswered = unanswered_[invalidation.tag];
  if (!unanswered.open) unanswered = {agenda_.now(), {}, 0, true};
  unanswered.ready = agenda_.now() + params_.invalidation;
  for (Request& request : requests_) {
    const bool uses = request.stage == Stage::using_translation &&
                      invalidation.covers(port_.pasid, request.page, request.size);
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
  if (params_.misbehaviour.answer_twice) schedule(arrival, What::answered, tag);
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
    if (invalidations_[i].covers(port_.pasid, page, size)) return true;
  }
  return false;
}

void AtsDevice::page_needed(std::uint32_t number) {
  Request& request = requests_[number];
  ++stats.faults;
  if (!page_requests_enabled() || !may_issue()) return fail(number);
  request.stage = Stage::waiting_for_page;
  request.since = agenda_.now();
  std::vector<PageRequest> sends;
  pages_->want(number, request.iova.page_base(page_4k), request.access, sends);
  send(sends);
}

void AtsDevice::send(const std::vector<PageRequest>& requests) {
  for (const PageRequest& request : requests) {
    ++stats.page_requests;
    arriving_page_requests_.push_back(request);
    schedule(agenda_.now() + config_.link.latency, What::page_request);
  }
  if (pages_) stats.page_groups = pages_->groups_sent();
}

void AtsDevice::answer(const PageResponse& response) {
  arriving_responses_.push_back(response);
  schedule(agenda_.now() + config_.link.latency, What::response);
}

void AtsDevice::response_arrives() {
  const PageResponse response = arriving_responses_.front();
  arriving_responses_.pop_front();
  if (!pages_) {
    ++stats.unexpected_responses;
    return;
  }
  std::vector<PageRequest> sends;
  const PageRequester::Answered answered = pages_->answered(response, sends);
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
    case PageRequester::Outcome::retry:
    case PageRequester::Outcome::end:
      break;
  }
  ++stats.page_responses;
  for (const std::uint32_t number : answered.waiters) {
    page_latency.record(agenda_.now() - requests_[number].since);
    if (answered.outcome == PageRequester::Outcome::retry) {
      part(requests_[number], EventKind::page, agenda_.now());
      look_up(number);
    } else {
      fail(number);
    }
  }
}

void AtsDevice::stop(bool marker) {
  if (state_ != State::run) return;
  state_ = State::stopping;
  marker_ = marker;
  if (pages_) {
    for (const std::uint32_t number : pages_->give_up_unsent()) fail(number);
  }
  if (state_ == State::stopping && in_flight_ == 0) now_stopped();
}

void AtsDevice::now_stopped() {
  state_ = State::stopped;
  if (marker_) {
    PageRequest marker;
    marker.source = config_.source;
    marker.pasid = config_.pasid;
    marker.last = true;
    send({marker});
  }
  if (stop_listener_ != nullptr) stop_listener_->stopped(config_.source);
  consider_issue();  // of a function that misbehaves
}

void AtsDevice::start() {
  state_ = State::run;
  consider_issue();
}

void AtsDevice::enable_page_requests() {
  if (pages_) pages_->enable();
}

void AtsDevice::reset() {
  ++life_;
  stats.dropped += in_flight_;
  in_flight_ = 0;
  translating_ = 0;
  free_.clear();
  for (auto number = static_cast<std::uint32_t>(requests_.size()); number-- > 0;) {
    requests_[number] = {};
    free_.push_back(number);
  }
  tlb_.clear();
  if (pages_) pages_->reset();
  unanswered_ = {};
  invalidations_dropped_ += invalidations_.size();
  invalidations_.clear();
  state_ = State::reset;
}

}  // namespace viosim
