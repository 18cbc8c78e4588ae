// The life of a request of a function with a translation cache.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/ats_device.hpp"

#include <algorithm>

namespace viosim {
// life 31:0, number 55:32, what 63:56.
std::uint64_t AtsDevice::cookie(What what, std::uint64_t number) const {
  return life_ | number << 32U | static_cast<std::uint64_t>(what) << 56U;
}

void AtsDevice::schedule(Instant at, What what, std::uint64_t number) {
  agenda_.schedule(at, rank(EventClass::message, config_.number), *this, cookie(what, number));
}

void AtsDevice::fire(std::uint64_t code) {
  const auto what = static_cast<What>(code >> 56U);
  const auto number = static_cast<std::uint32_t>(code >> 32U & 0xff'ffffU);
  switch (what) {  // what a reset does not touch: messages on the link
    case What::issue:
      return issue();
    case What::invalidation:
      return invalidation_arrives();
    case What::response:
      return response_arrives();
    case What::answered:
      return host_.invalidated(config_.source, std::uint32_t{1} << number);
    case What::page_request: {
      const Asked asked = arriving_page_requests_.front();
      arriving_page_requests_.pop_front();
      tell_asked(asked);
      return host_.request_page(asked.request);
    }
    case What::answer:
      if (static_cast<std::uint32_t>(code) == life_) answer_leaves(number);
      return;
    default:
      break;
  }
  if (requests_[number].stage == Stage::lost) return discard(number);
  switch (what) {
    case What::translation_request:
      return translation_request_arrives(number);
    case What::completion:
      return completion_arrives(number);
    case What::translated:
      return translated_arrives(number);
    case What::untranslated:
      return untranslated_arrives(number);
    case What::end:
      return end(number, false);
    default:
      return end(number, true);
  }
}

void AtsDevice::issue() {
  if (issue_at_ != agenda_.now()) return;  // an earlier one came before it
  issue_at_ = never;
  if (!may_issue()) return;
  if (Queue* const queue = take_turn()) issue_from(*queue);
  consider_issue();
}

void AtsDevice::issue_from(Queue& queue) {
  const std::uint32_t number = take_slot();
  const Traffic::Next next = queue.traffic.next();
  Request& request = requests_[number];
  request = {};
  request.queue = &queue;
  request.issue = agenda_.now();
  request.part = agenda_.now();
  request.number = stats.requests;
  request.iova = next.iova;
  request.access = next.access;
  ++stats.requests;
  ++in_flight_;
  ++queue.in_flight;
  --queue.left;
  queue.next_issue = agenda_.now() + queue.interval;
  next_issue_ = agenda_.now() + config_.params.request_interval;
  look_up(number);
  offer(queue);
}

std::uint32_t AtsDevice::take_slot() {
  if (free_.empty()) {
    requests_.emplace_back();
    return static_cast<std::uint32_t>(requests_.size() - 1);
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  return number;
}

void AtsDevice::look_up(std::uint32_t number) {
  Request& request = requests_[number];
  last_use_ = UseStamp::event(agenda_.now(), last_use_);
  if (const auto found =
          tlb_.look_up(request.queue->space(), request.iova, request.access, last_use_)) {
    ++stats.hits;
    return use(number, *found, false);
  }
  ++stats.misses;
  ++stats.translations;
  ++translating_;
  request.hit = false;
  request.stage = Stage::translating;
  request.since = agenda_.now() + params_.tlb.latency;
  request.invalidations_before = invalidations_dropped_ + invalidations_.size();
  schedule(request.since + config_.link.latency, What::translation_request, number);
}

// The request goes out with this translation.
void AtsDevice::use(std::uint32_t number, const DeviceTlb::Found& found, bool taken_up) {
  Request& request = requests_[number];
  request.taken_up = taken_up;
  request.stage = Stage::using_translation;
  request.page = found.page;
  request.size = found.size;
  request.at = found.address(request.iova);
  request.departure = agenda_.now() + (taken_up ? params_.completion : params_.tlb.latency);
  ++(found.entry.untranslated_only ? stats.untranslated : stats.translated);
  schedule(request.departure + config_.link.latency,
           found.entry.untranslated_only ? What::untranslated : What::translated, number);
}

void AtsDevice::translation_request_arrives(std::uint32_t number) {
  const Request& request = requests_[number];
  IommuPort& port = request.queue->port;
  Iommu& iommu = *config_.iommu;
  const UseStamp stamp = iommu.use_now();
  WalkResult result;
  if (iommu.lookup_translation(port, request.iova, request.access, stamp, result)) {
    return answer_translation(number, result, agenda_.now() + iommu.hit_latency());
  }
  iommu.start_walk(port, request.iova, request.access, stamp, *this,
                   cookie(What::translation_request, number), AddressType::translation);
}

void AtsDevice::walked(std::uint64_t of, const WalkResult& result) {
  const auto number = static_cast<std::uint32_t>(of >> 32U & 0xff'ffffU);
  if (requests_[number].stage == Stage::lost) return discard(number);
  const auto what = static_cast<What>(of >> 56U);
  if (what == What::translation_request && !result.faulted())
    return answer_translation(number, result, agenda_.now());
  if (result.faulted()) {  // unsupported request, or completer abort
    ++stats.faults;
    if (what == What::translation_request) {
      part(requests_[number], EventKind::device_look_up, requests_[number].since);
      part(requests_[number], EventKind::translation, agenda_.now());
    } else {
      used(requests_[number]);
    }
    if (tracer_.follows_requests())
      emit(requests_[number], outcome_fault(static_cast<std::uint16_t>(result.fault)));
    return schedule(agenda_.now() + config_.link.latency, What::error, number);
  }
  if (what == What::untranslated)
    requests_[number].at = result.translation.address(requests_[number].iova);
  access_memory(number, agenda_.now());
}

void AtsDevice::answer_translation(std::uint32_t number, const WalkResult& result, Instant at) {
  const Translation& translation = result.translation;
  const bool privileged = requests_[number].queue->port.privileged;
  TranslationCompletion completion;
  completion.page = translation.page;
  completion.size = leaf_size(translation.level);
  completion.privileged = privileged;
  if (result.message) {  // VT-d 3.x, 3.14: interrupts are written untranslated
    completion.write = true;
    completion.untranslated_only = true;
  } else {
    completion.read = translation.rights.can_read(privileged);
    completion.write = translation.rights.can_write(privileged);
    completion.execute = translation.rights.can_execute(privileged);
  }
  requests_[number].completion = completion.encode();
  schedule(at + config_.link.latency, What::completion, number);
}

void AtsDevice::completion_arrives(std::uint32_t number) {
  Request& request = requests_[number];
  part(request, EventKind::device_look_up, request.since);
  part(request, EventKind::translation, agenda_.now());
  const auto completion = TranslationCompletion::decode(request.completion);
  translation_latency.record(agenda_.now() - request.since);
  const bool late = overtaken(request, request.iova.page_base(completion.size), completion.size);
  no_more_translating(request);
  if (late) {
    ++stats.overtaken;
    return look_up(number);
  }
  const DeviceTlb::Entry entry{completion.page, completion.read, completion.write,
                               completion.execute, completion.untranslated_only};
  if (completion.read || completion.write) {
    last_use_ = UseStamp::event(agenda_.now(), last_use_);
    tlb_.insert(request.queue->space(), request.iova, completion, last_use_);
  }
  if (!entry.allows(request.access)) return page_needed(number);
  use(number, {entry, request.iova.page_base(completion.size), completion.size}, true);
}

void AtsDevice::translated_arrives(std::uint32_t number) {
  Iommu& iommu = *config_.iommu;
  const Request& request = requests_[number];
  IommuPort& port = request.queue->port;
  const UseStamp stamp = iommu.use_now();
  const Iova sent(request.at.value());
  if (iommu.admit(port, sent, AddressType::translated, request.access, stamp))
    return access_memory(number, agenda_.now() + iommu.context_latency());
  iommu.start_walk(port, sent, request.access, stamp, *this, cookie(What::translated, number),
                   AddressType::translated);
}

void AtsDevice::untranslated_arrives(std::uint32_t number) {
  Request& request = requests_[number];
  IommuPort& port = request.queue->port;
  Iommu& iommu = *config_.iommu;
  const UseStamp stamp = iommu.use_now();
  if (iommu.lookup(port, request.iova, request.access, stamp, request.at))
    return access_memory(number, agenda_.now() + iommu.hit_latency());
  iommu.start_walk(port, request.iova, request.access, stamp, *this,
                   cookie(What::untranslated, number));
}

void AtsDevice::access_memory(std::uint32_t number, Instant translated) {
  schedule(translated + config_.memory_latency + config_.link.latency, What::end, number);
}

void AtsDevice::fail(std::uint32_t number) {
  if (requests_[number].stage == Stage::waiting_for_page)
    part(requests_[number], EventKind::page, agenda_.now());
  if (tracer_.follows_requests()) emit(requests_[number], outcome_no_page);
  end(number, true);
}

void AtsDevice::end(std::uint32_t number, bool error) {
  Request& request = requests_[number];
  if (error) {
    ++stats.aborted;
    ++request.queue->failed;
    if (request.stage == Stage::translating) no_more_translating(request);
  } else {
    latency.record(agenda_.now() - request.issue);
    used(request);
    if (tracer_.follows_requests()) emit(request, request.hit ? outcome_hit : outcome_miss);
  }
  release(request);
  request.stage = Stage::free;
  free_.push_back(number);
  --in_flight_;
  --request.queue->in_flight;
  Queue& queue = *request.queue;
  if (state_ == State::stopping && in_flight_ == 0) now_stopped();
  settle(queue);
  consider_issue();
}

// One translation request less is on its way.
void AtsDevice::no_more_translating(Request& request) {
  request.stage = Stage::answered;
  if (--translating_ != 0) return;
  invalidations_dropped_ += invalidations_.size();
  invalidations_.clear();
}

}  // namespace viosim
