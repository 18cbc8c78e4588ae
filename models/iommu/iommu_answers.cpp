// From the end of a walk to what the caches keep of it, and to the answer.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "models/iommu/iommu.hpp"
#include "models/trace_events.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace viosim {

void Iommu::answer_at(WalkSlot& slot, Instant at, const WalkResult& result) {
  slot.state = State::answering;
  slot.result = result;
  call(slot, at);
}

// `from`: when it was asked.
void Iommu::answer_from_iotlb(WalkSlot& slot, Instant from, const Cached& found) {
  const Ps refusal = found.result.faulted() ? params_.fault_record : Ps(0);
  answer_at(slot, from + params_.iotlb.latency + refusal, found.result);
}

WalkResult Iommu::result_of(const Walk& walk) const {
  WalkResult result;
  result.message = walk.message();
  if (walk.step() == WalkStep::translated) {
    result.translation = walk.translation();
    Rights& rights = result.translation.rights;
    // What a device is told to keep, it uses without a further look at SRE and ERE.
    if (walk.request().type == AddressType::translation) rights = rights & walk.space()->allowed();
    if (walk.request().privileged && walk.request().pasid == no_pasid)
      rights = rights.of_supervisor();
  } else if (walk.request().type != AddressType::translation ||
             walk.page_fault() == PageFault::none ||
             !architecture_.answers_translation(walk.page_fault())) {
    result.fault = walk.fault();
    result.in_pages = walk.page_fault() != PageFault::none;
    result.silenced = walk.fault_silenced();
  }  // else: no rights
  return result;
}

void Iommu::finish(WalkSlot& slot) {
  const WalkResult result = result_of(slot.walk);
  fill(slot, result);
  leave_walker(slot);
  if (result.faulted()) return answer_at(slot, agenda_.now() + params_.fault_record, result);
  answer(slot, result);
}

// The walk is over: its walker takes up the next one. Those that it has left without an answer line up for walkers.
void Iommu::leave_walker(WalkSlot& slot) {
  slot.state = State::answering;
  slot.walked = agenda_.now();
  if (params_.merge_walks) walking_.remove(slot.number);
  ++free_walkers_;
  if (!slot.merged.empty()) {
    const std::vector<Miss> merged = std::exchange(slot.merged, {});
    for (const Miss& miss : merged) begin_again(miss, {.again = true, .alone = true});
  }
  begin_waiting();
}

void Iommu::fill(WalkSlot& slot, const WalkResult& result) {
  if (walk_caches_.any() && !slot.withhold_path && slot.walk.in_pages()) fill_walk_caches(slot);
  if (slot.walk.step() != WalkStep::translated) return fill_absent(slot);
  const AddressSpace& space = *slot.walk.space();
  if (space.pass_through || slot.walk.message()) return;
  const Translation& translation = result.translation;
  if ((slot.withhold_fill >> translation.level & 1U) != 0) {
    ++stats.fills_withheld;
    return;
  }
  hint(slot);
  const Request& request = slot.walk.request();
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const std::uint64_t tag = by_source ? space_tag(request.source, request.pasid) : space_tag(space);
  // Found by source, an entry is used without a look at what the address space allows.
  const Rights rights =
      by_source ? translation.rights & space.allowed() : slot.walk.translation().rights;
  largest_level_ = std::max(largest_level_, translation.level);
  IotlbValue value{translation.page, space.tag, space.domain, rights, space.first_levels != 0};
  value.first_leaf = slot.walk.pages().first_level();
  iotlb_.insert(PageTag::of(request.iova, translation.level, tag), value, use_now());
}

// For prefetch(), and for the look-ups of the next walk.
void Iommu::hint(const WalkSlot& slot) {
  const PageWalk& pages = slot.walk.pages();
  const Iova iova = slot.walk.request().iova;
  WalkHint& hint = slot.miss.port->walk_hint(iova);
  hint.page = iova.value() >> 12U;
  hint.leaf[1] = pages.next_read();
  if (pages.space().nested() && (slot.trail.seen[0] >> 1U & 1U) != 0)
    hint.leaf[0] = entry_address(slot.trail.path[0][1].table(), iova, 1);
  hint.slot = slot.trail.lowest_slot;
}

// Caching mode: what was not there is remembered as such.
void Iommu::fill_absent(const WalkSlot& slot) {
  if (!params_.caching_mode) return;
  if (!slot.walk.in_pages()) return fill_absent_entry(slot);
  const PageFault fault = slot.walk.page_fault();
  const bool first = fault == PageFault::first_absent;
  if (!first && fault != PageFault::second_absent) return;
  if (!caches_absent_pages(first ? Stage::first : Stage::second)) return;
  if ((slot.withhold_fill >> 1U & 1U) != 0) {
    ++stats.fills_withheld;
    return;
  }
  const AddressSpace& space = *slot.walk.space();
  const Request& request = slot.walk.request();
  const std::uint64_t tag = params_.iotlb_tag == IotlbTag::source
                                ? space_tag(request.source, request.pasid)
                                : space_tag(space);
  iotlb_.insert(PageTag::of(request.iova, 1, tag),
                {{},
                 space.tag,
                 space.domain,
                 {},
                 space.first_levels != 0,
                 true,
                 first,
                 slot.walk.fault_silenced()},
                use_now());
}

void Iommu::fill_absent_entry(const WalkSlot& slot) {
  const Walk& walk = slot.walk;
  if (walk.missing() == Missing::nothing || slot.withhold_fill != 0) return;
  const Bdf source = walk.request().source;
  const AbsentEntry absent{walk.fault(), walk.fault_silenced()};
  if (walk.missing() == Missing::device_entry) {
    absent_devices_.insert({source}, absent, use_now());
  } else {
    absent_processes_.insert({source, walk.pasid()}, absent, use_now());
  }
}

// Walks that run ahead have seen the walk caches as they are: they go back before something
// changes.
void Iommu::fill_walk_caches(WalkSlot& slot) {
  const WalkTrail& trail = slot.trail;
  const AddressSpace& space = *slot.walk.space();
  for (const Stage stage : {Stage::first, Stage::second}) {
    const auto index = static_cast<std::size_t>(stage);
    const unsigned root = stage == Stage::first ? space.first_levels : space.second_levels;
    const Iova input =
        stage == Stage::first || !space.nested() ? slot.walk.request().iova : trail.guest;
    const std::uint64_t tag = walk_space(stage, space);
    // What leads to a table is an entry of the level above it; nothing leads to the root.
    const unsigned below_root = (1U << root) - 1;
    unsigned left = trail.seen[index] & walk_caches_.levels_kept(stage) >> 1U & below_root;
    // All that it came past is the table that it found, and the caches are what they were then.
    if (left << 1U == 1U << trail.found_level[index] &&
        trail.changes[index] == walk_caches_.changes())
      continue;
    for (; left != 0; left &= left - 1) {
      const auto level = static_cast<unsigned>(std::countr_zero(left));
      const WalkStart start = trail.path[index][level];
      const std::uint32_t hint =
          level + 1 == WalkCaches::lowest ? trail.lowest_slot[index] : WalkCaches::none;
      if (!walk_caches_.would_change(stage, tag, input, start, hint)) continue;
      go_back_before_fill(stage, level + 1);
      walk_caches_.insert(stage, tag, input, start, use_now());
    }
  }
}

void Iommu::emit_parts(const WalkSlot& slot) const {
  const Miss& miss = slot.miss;
  TraceEvent event;
  event.address = miss.iova.value();
  event.value = miss.ticket;
  event.component = component_;
  event.pasid = miss.port->pasid == no_pasid ? 0 : miss.port->pasid.value();
  event.code = miss.port->source.value();
  Instant from = miss.arrival;
  const auto part = [&](EventKind kind, Instant until) {
    if (until == from) return;
    event.kind = static_cast<std::uint16_t>(kind);
    event.time = until.ps();
    event.duration = (until - from).count();
    tracer_->record(event);
    from = until;
  };
  part(EventKind::look_up, miss.ready);
  part(EventKind::wait, slot.started);
  part(EventKind::walk, slot.walked);
  part(EventKind::answer, agenda_.now());
}

void Iommu::count(FaultCode fault) {
  ++stats.faults;
  const auto found =
      std::lower_bound(faults_by_reason_.begin(), faults_by_reason_.end(), fault,
                       [](const FaultCount& one, FaultCode code) { return one.code < code; });
  ensure(found != faults_by_reason_.end() && found->code == fault,
         "a request was refused for a reason that its architecture does not have");
  ++found->requests;
}

void Iommu::report(const Miss& miss, FaultCode fault) {
  ++stats.faults_reported;
  const IommuPort& port = *miss.port;
  if (faults_trace_.on()) {
    faults_trace_.emit({.kind = EventKind::fault,
                        .time = agenda_.now(),
                        .pasid = port.pasid,
                        .address = miss.iova.value(),
                        .value = port.source.value(),
                        .code = static_cast<std::uint16_t>(fault),
                        .duration = agenda_.now() - miss.arrival});
  }
  if (fault_listener_ != nullptr)
    fault_listener_->faulted(
        {miss.iova, port.pasid, port.source, miss.access, miss.type, port.privileged}, fault);
}

void Iommu::answer(WalkSlot& slot, const WalkResult& result) {
  const AddressType type = slot.miss.type;
  if (result.faulted()) {
    count(result.fault);
    if (!result.silenced) report(slot.miss, result.fault);
  } else if (reaches_memory(type)) {
    last_answer_[static_cast<std::size_t>(slot.miss.access)] = agenda_.now();
  }
  if (type == AddressType::untranslated || type == AddressType::translation)
    translation_latency_.record(agenda_.now() - slot.miss.arrival);
  if (tracer_ != nullptr && tracer_->recording()) emit_parts(slot);
  WalkClient& client = *slot.miss.client;
  const std::uint64_t cookie = slot.miss.cookie;
  WalkResult told = result;
  if (type == AddressType::translation && !result.faulted())
    told.translation = without_messages(*slot.miss.port, slot.miss.iova, result.translation);
  free_slot(slot);
  if (drains_.any()) [[unlikely]]
    drains_.ended(slot.number, reaches_memory(type) && !result.faulted()
                                   ? agenda_.now() + memory_latency_
                                   : agenda_.now());
  client.walked(cookie, told);  // may start another walk
}

}  // namespace viosim
