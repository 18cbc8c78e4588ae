// A miss from its walker to its answer, and what it leaves in the caches.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reference/walks.hpp"

#include <algorithm>

namespace viosim::test::reference {

Answer Walks::walk(const Requester& device, const Traffic::Next& request, Self& self) {
  Walk walk{.self = self,
            .device = device,
            .request = request,
            .pasid = device.is.pasid == no_pasid ? Pasid(0) : device.is.pasid};
  ++world_.stats.walks;
  walk.ticket = ++world_.sequence;
  walk.ready = world_.now() + consult_caches(walk);
  walk.asked = world_.by_source() || walk.root.has_value();
  if (needs_reads(walk) && free_walkers_ == 0) wait_for_walker(walk);
  std::optional<Answer> late;
  if (walk.root) late = look_up_late(walk);
  walk.has_walker = !late && needs_reads(walk);
  if (walk.has_walker) --free_walkers_;
  walk.next_read = walk.ready;
  if (walk.queued) {
    world_.turns.wake(*giver_);
    giver_ = nullptr;
  }
  in_flight_.push_back(&walk);
  const Answer answer = late ? *late : translate(walk);
  if (walk.has_walker) {
    if (answer.fault == vtd::FaultReason::none && !walk.in_iotlb) fill(walk, answer);
    give_walker_on(self);
  }
  leave_at(walk, answer);
  if (answer.fault != vtd::FaultReason::none) {
    ++world_.stats.faults;
    if (!walk.silent) ++world_.stats.faults_reported;
  }
  in_flight_.remove(&walk);
  return answer;
}

// Waits until the answer leaves the IOMMU.
void Walks::leave_at(const Walk& walk, const Answer& answer) {
  const bool fault = answer.fault != vtd::FaultReason::none;
  if (walk.has_walker && !fault && !walk.in_iotlb) return;
  const Instant from = walk.has_walker ? world_.now() : walk.ready;
  const Ps refusal = fault ? world_.params().fault_record : Ps(0);
  const Ps found = walk.in_iotlb ? world_.params().iotlb.latency : Ps(0);
  world_.turns.sleep_until(from + refusal + found);
  world_.turn(walk.self, EventClass::table_read, walk.device.number, walk.ticket);
}

// What the look-up that missed came across, and how long it took.
Ps Walks::consult_caches(Walk& walk) {
  Ps latency = world_.params().context_cache.latency;
  if (world_.by_source()) latency += world_.params().iotlb.latency;
  const auto key = caches_.context_key(walk.device);
  const CachedContext* context = world_.by_source() ? caches_.count_and_use(caches_.contexts, key)
                                                    : caches_.contexts.find(key);
  if (context == nullptr) return latency;
  know_context(walk, *context);
  if (world_.scalable()) {
    latency += world_.params().pasid_cache.latency;
    const auto entry_key = caches_.pasid_key(walk.device, walk.pasid);
    const vtd::PasidEntry* entry = world_.by_source()
                                       ? caches_.count_and_use(caches_.pasids, entry_key)
                                       : caches_.pasids.find(entry_key);
    if (entry != nullptr) know_entry(walk, *entry);
  }
  if (walk.root && !world_.by_source()) latency += world_.params().iotlb.latency;
  return latency;
}

void Walks::know_context(Walk& walk, const CachedContext& context) {
  walk.context = context;
  walk.silent = world_.scalable() ? context.scalable.fault_disable : context.legacy.fault_disable;
  if (world_.scalable()) {
    walk.pasid = Caches::effective(walk.device, context);
  } else {
    walk.root = Caches::root_of(context.legacy);
  }
}

void Walks::know_entry(Walk& walk, const vtd::PasidEntry& entry) {
  walk.root = Caches::root_of(entry);
  walk.silent = walk.silent || entry.fault_disable;
}

// Whether what the caches know leaves a question to the tables.
bool Walks::needs_reads(const Walk& walk) const {
  if (walk.root) return !walk.root->pass_through && width_fault(walk) == vtd::FaultReason::none;
  return !walk.context || !world_.scalable() || pasid_fault(walk) == vtd::FaultReason::none;
}

// In the queue nothing is remembered: who gets a walker asks the caches again.
void Walks::wait_for_walker(Walk& walk) {
  waiting_.push_back(&walk);
  ++world_.stats.walks_queued;
  world_.stats.walk_queue_longest =
      std::max<std::uint64_t>(world_.stats.walk_queue_longest, waiting_.size());
  world_.turns.wait(walk.self);
  walk.queued = true;
  walk.context.reset();
  walk.root.reset();
  walk.silent = false;
  walk.pasid = walk.device.is.pasid == no_pasid ? Pasid(0) : walk.device.is.pasid;
  know_from_caches(walk);
  const Instant start = std::max(world_.now(), walk.ready);
  world_.stats.walk_wait += static_cast<std::uint64_t>((start - walk.ready).count());
  walk.ready = start;
}

void Walks::know_from_caches(Walk& walk) {
  const CachedContext* context = caches_.contexts.find(caches_.context_key(walk.device));
  if (context == nullptr) return;
  know_context(walk, *context);
  if (!world_.scalable()) return;
  const vtd::PasidEntry* entry = caches_.pasids.find(caches_.pasid_key(walk.device, walk.pasid));
  if (entry != nullptr) know_entry(walk, *entry);
}

// One after the other: the next in the queue may turn out not to need it.
void Walks::give_walker_on(Self& self) {
  ++free_walkers_;
  while (free_walkers_ > 0 && !waiting_.empty()) {
    Walk& next = *waiting_.front();
    waiting_.pop_front();
    giver_ = &self;
    world_.turns.wake(next.self);
    world_.turns.wait(self);
  }
}

// What a walk would leave in the IOTLB.
CachedPage Walks::page_found(const Walk& walk, const Answer& answer) {
  const Iova page = walk.request.iova.page_base(leaf_size(answer.level));
  return {answer.frame,
          answer.allowed,
          walk.root->domain,
          walk.pasid,
          walk.root->format == TableFormat::first_level,
          page.value() >> 12U,
          answer.level};
}

void Walks::fill(const Walk& walk, const Answer& answer) {
  if (walk.root->pass_through) return;
  if (walk.overtaken || walk.stale[answer.level]) {
    ++world_.stats.fills_withheld;
    return;
  }
  const Pasid tag = world_.by_source() ? walk.device.is.pasid : walk.pasid;
  const Iova iova = walk.request.iova;
  caches_.iotlb.insert(caches_.page_key(walk.device, iova, answer.level, walk.root->domain, tag),
                       page_found(walk, answer));
}

}  // namespace viosim::test::reference
