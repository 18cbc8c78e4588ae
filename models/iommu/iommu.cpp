// Requests on their way through caches and walkers, in time.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

void IommuParams::check(const Where& where) const {
  if (walkers == 0) (where / "walkers").reject("read 0; expected at least one walker");
  if (page_match_bits == 0 || page_match_bits > 52) {
    (where / "page_match_bits").reject(fmt::format("read {}; expected 1 to 52", page_match_bits));
  }
  const auto positive = [&](std::string_view name, Ps value) {
    if (value < Ps(1))
      (where / name).reject(fmt::format("read \"{}\"; expected at least \"1 ps\"", to_text(value)));
  };
  positive("walk_read", walk_read);
  positive("fault_record", fault_record);
  if (iotlb_tag == IotlbTag::source && iotlb.latency + context_cache.latency < Ps(1)) {
    (where / "iotlb" / "latency")
        .reject("read \"0 ps\"; expected at least \"1 ps\" for this or for the context cache");
  }
}

Iommu::Iommu(std::string path, const IommuParams& params, std::uint32_t number, Agenda& agenda,
             PhysicalMemory& memory, std::uint64_t seed)
    : path_(std::move(path)),
      params_(params),
      number_(number),
      agenda_(agenda),
      memory_(memory),
      tables_(memory, params.mode),
      contexts_(params.context_cache, Rng(seed, path_ + ".context_cache")),
      pasids_(params.pasid_cache, Rng(seed, path_ + ".pasid_cache")),
      iotlb_(params.iotlb, Rng(seed, path_ + ".iotlb")),
      hit_latency_(params.iotlb.latency),
      lookahead_(std::min(params.walk_read, params.fault_record)),
      free_walkers_(params.walkers),
      queue_(params.invalidation, params.mode == vtd::Mode::scalable, number, agenda, memory,
             *this) {
  if (params.iotlb_tag == IotlbTag::source) {
    lookahead_ = std::min(lookahead_, params.iotlb.latency + params.context_cache.latency);
  } else {
    hit_latency_ += params.context_cache.latency;
    if (params.mode == vtd::Mode::scalable) hit_latency_ += params.pasid_cache.latency;
  }
}

template <class AnyCache>
void Iommu::count_use(AnyCache& cache, std::uint32_t slot, UseStamp stamp) {
  if (slot == AnyCache::none) {
    ++cache.stats.misses;
  } else {
    ++cache.stats.hits;
    cache.touch(slot, stamp);
  }
}

Iommu::Known Iommu::known(const IommuPort& port) const {
  Known found;
  found.context_slot = contexts_.probe({port.source}, port.context_hint);
  if (found.context_slot == decltype(contexts_)::none) return found;
  found.context = &contexts_.value(found.context_slot);
  if (params_.mode == vtd::Mode::legacy) {
    found.space = &found.context->space;
    return found;
  }
  const Pasid pasid = port.pasid == no_pasid ? found.context->scalable.rid_pasid : port.pasid;
  found.space_slot = pasids_.probe({port.source, pasid}, port.pasid_hint);
  if (found.space_slot != decltype(pasids_)::none) found.space = &pasids_.value(found.space_slot);
  return found;
}

vtd::Walk Iommu::walk_of(const Miss& miss) const {
  const Known found = known(*miss.port);
  const Request request{miss.iova, miss.port->pasid, miss.port->source, miss.access};
  return {params_.mode, tables_.root(), request, found.context, found.space};
}

std::uint32_t Iommu::allocate_slot(const Miss& miss, const vtd::Walk& walk) {
  const WalkSlot slot{walk, miss.client,       miss.cookie, miss.arrival,   miss.ticket,
                      {},   miss.port->device, 0,           std::uint8_t{}, Stage::reading,
                      0};
  if (free_slots_.empty()) {
    slots_.push_back(slot);
    trails_.emplace_back();
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t number = free_slots_.back();
  free_slots_.pop_back();
  const std::uint32_t calls = slots_[number].calls;
  slots_[number] = slot;
  slots_[number].calls = calls;
  return number;
}

void Iommu::start_walk(IommuPort& port, Iova iova, Access access, UseStamp stamp,
                       WalkClient& client, std::uint64_t cookie) {
  // The look-up that missed passed through these caches, in this order; nothing has changed in them
  // since. When entries are found by source, the caches behind the IOTLB are counted and used here.
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const Known found = known(port);
  Ps latency = params_.context_cache.latency + (by_source ? params_.iotlb.latency : Ps(0));
  if (found.context != nullptr && params_.mode == vtd::Mode::scalable) {
    latency += params_.pasid_cache.latency;
    if (by_source) count_use(pasids_, found.space_slot, stamp);
  }
  if (found.space != nullptr && !by_source) latency += params_.iotlb.latency;
  if (by_source) count_use(contexts_, found.context_slot, stamp);
  ++stats.walks;
  begin({&port, &client, cookie, iova, stamp.instant(), stamp.instant() + latency,
         agenda_.draw_ticket(), access},
        false);
}

// Takes a walker, or waits for one, or needs none: a fault or a pass-through that the caches know.
void Iommu::begin(const Miss& miss, bool queued) {
  const vtd::Walk walk = walk_of(miss);
  const bool reads = walk.step() == vtd::Step::read;
  if (reads && free_walkers_ == 0) {
    waiting_.push_back(miss);
    ++stats.walks_queued;
    stats.walk_queue_longest = std::max<std::uint64_t>(stats.walk_queue_longest, waiting_.size());
    return;
  }
  const Instant start = std::max(agenda_.now(), miss.ready);
  if (queued) stats.walk_wait += static_cast<std::uint64_t>((start - miss.ready).count());
  const std::uint32_t number = allocate_slot(miss, walk);
  if (reads) {
    --free_walkers_;
    return read_on(number, start);
  }
  slots_[number].stage = Stage::answering;
  call(number, start + (walk.step() == vtd::Step::faulted ? params_.fault_record : Ps(0)));
}

void Iommu::begin_waiting() {
  while (free_walkers_ > 0 && !waiting_.empty()) {
    const Miss next = waiting_.front();
    waiting_.pop_front();
    begin(next, true);
  }
}

// Only the last call of a slot counts: going back replaces it.
void Iommu::call(std::uint32_t number, Instant at) {
  WalkSlot& slot = slots_[number];
  ++slot.calls;
  agenda_.schedule(at, rank(EventClass::table_read, slot.device), slot.ticket, *this,
                   std::uint64_t{slot.calls} << 32U | number);
}

void Iommu::read_on(std::uint32_t number, Instant start) {
  WalkSlot& slot = slots_[number];
  if (slot.walk.in_page_tables()) return read_ahead(number, start);
  ++stats.walk_reads;
  slot.stage = Stage::reading;
  memory_.prefetch(slot.walk.next_read());
  call(number, start + params_.walk_read);
}

void Iommu::read_ahead(std::uint32_t number, Instant start) {
  WalkSlot& slot = slots_[number];
  Trail& trail = trails_[number];
  slot.stage = Stage::reading_ahead;
  slot.ahead_from = start;
  slot.ahead = 0;
  do {
    trail[slot.ahead++] = slot.walk.position();
  } while (slot.walk.advance(memory_.line(slot.walk.next_read())) == vtd::Step::read);
  stats.walk_reads += slot.ahead;
  if (!warned_) {
    warned_ = true;
    memory_.warn(*this);
  }
  call(number, start + slot.ahead * params_.walk_read);
}

// Walks that have read ahead go back to the first of their reads that has not returned.
void Iommu::memory_changes() {
  warned_ = false;
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    WalkSlot& slot = slots_[number];
    if (slot.stage != Stage::reading_ahead) continue;
    const EventRank place = rank(EventClass::table_read, slot.device);
    Instant returns = slot.ahead_from + params_.walk_read;
    std::uint8_t done = 0;
    while (agenda_.passed(returns, place, slot.ticket)) {
      returns += params_.walk_read;
      ++done;
    }
    ensure(done < slot.ahead, "a walk that has ended is still reading");
    stats.walk_reads -= slot.ahead - done - 1U;
    slot.stage = Stage::reading;
    slot.walk.go_back(trails_[number][done]);
    call(number, returns);
  }
}

void Iommu::fire(std::uint64_t what) {
  const auto number = static_cast<std::uint32_t>(what);
  WalkSlot& slot = slots_[number];
  if (what >> 32U != slot.calls) return;
  if (slot.stage == Stage::answering) return answer(number);
  if (slot.stage == Stage::reading) read_returned(slot);
  if (slot.walk.step() == vtd::Step::read) {
    read_on(number, agenda_.now());
  } else {
    finish(number);
  }
}

void Iommu::read_returned(WalkSlot& slot) {
  slot.walk.advance(memory_.line(slot.walk.next_read()));
  if (slot.withhold_fill == 0) learn(slot);
}

void Iommu::learn(WalkSlot& slot) {
  const UseStamp stamp = use_now();
  const Bdf source = slot.walk.request().source;
  if (const vtd::Context* context = slot.walk.learned_context())
    contexts_.insert({source}, *context, stamp);
  if (const vtd::AddressSpace* space = slot.walk.learned_space())
    pasids_.insert({source, slot.walk.effective_pasid()}, *space, stamp);
}

// The walk is over: its walker takes up the next one.
void Iommu::finish(std::uint32_t number) {
  const bool faulted = slots_[number].walk.step() == vtd::Step::faulted;
  slots_[number].stage = Stage::answering;
  if (!faulted) fill(slots_[number]);
  ++free_walkers_;
  begin_waiting();
  if (faulted) {
    call(number, agenda_.now() + params_.fault_record);
  } else {
    answer(number);
  }
}

void Iommu::fill(const WalkSlot& slot) {
  if (slot.walk.space()->pass_through) return;
  const Translation translation = slot.walk.translation();
  if ((slot.withhold_fill >> translation.level & 1U) != 0) {
    ++stats.fills_withheld;
    return;
  }
  const Request& request = slot.walk.request();
  const DomainId domain = slot.walk.space()->domain;
  const Pasid pasid =
      params_.iotlb_tag == IotlbTag::source ? request.pasid : slot.walk.effective_pasid();
  large_pages_ = large_pages_ || translation.level > 1;
  iotlb_.insert(
      IotlbEntryTag::of(request.iova, translation.level, space_tag(request.source, domain, pasid)),
      {translation.page, slot.walk.effective_pasid(), translation.permissions, domain,
       slot.walk.space()->format == TableFormat::first_level},
      use_now());
}

void Iommu::answer(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  WalkResult result;
  if (slot.walk.step() == vtd::Step::faulted) {
    result.fault = slot.walk.fault();
    ++stats.faults;
    if (!slot.walk.fault_silenced()) ++stats.faults_reported;
  } else {
    result.translation = slot.walk.translation();
  }
  translation_latency.record(agenda_.now() - slot.arrival);
  WalkClient& client = *slot.client;
  const std::uint64_t cookie = slot.cookie;
  slot.stage = Stage::free;
  free_slots_.push_back(number);
  client.walked(cookie, result);  // may start another walk
}

bool Iommu::covers_page(const vtd::Descriptor& descriptor, const IotlbEntryTag& tag) const {
  const std::uint64_t wanted = descriptor.address.value() >> 12U;
  const std::uint64_t size = std::uint64_t{1} << (9 * (tag.level() - 1));
  if (tag.first_page() == (wanted & ~(size - 1)))
    return true;  // the entry's page holds the address
  const std::uint64_t compared = params_.page_match_bits >= 52
                                     ? ~std::uint64_t{0}
                                     : (std::uint64_t{1} << params_.page_match_bits) - 1;
  const unsigned ignored = std::min<unsigned>(descriptor.address_mask, 51);
  const std::uint64_t mask = ~((std::uint64_t{1} << ignored) - 1) & compared;
  return (tag.first_page() & mask) == (wanted & mask);
}

// Removes entries, and keeps walks in flight from putting them back: they may have read a table
// before it changed.
template <class Covers>
void Iommu::invalidate_iotlb(Covers&& covers) {
  iotlb_.invalidate_if(covers);
  for (WalkSlot& slot : slots_) {
    if (slot.stage == Stage::free || slot.withhold_fill == any_level) continue;
    const vtd::AddressSpace* space = slot.walk.space();
    if (space == nullptr) {  // its domain is not known yet: it might be covered
      slot.withhold_fill = any_level;
      continue;
    }
    const Pasid pasid = slot.walk.effective_pasid();
    const IotlbValue pending{
        {}, pasid, {}, space->domain, space->format == TableFormat::first_level};
    for (unsigned level = 1; level <= 3; ++level) {
      const auto tag = IotlbEntryTag::of(slot.walk.request().iova, level, pasid.value());
      if (covers(tag, pending)) slot.withhold_fill |= static_cast<std::uint8_t>(1U << level);
    }
  }
}

void Iommu::apply(const vtd::Descriptor& descriptor) {
  using vtd::DescriptorType;
  using vtd::Granularity;
  const DomainId domain = descriptor.domain;
  switch (descriptor.type) {
    case DescriptorType::context_cache:
      contexts_.invalidate_if([&](const ContextTag& tag, const vtd::Context& context) {
        if (descriptor.granularity == Granularity::global) return true;
        // A scalable context entry has no domain of its own: its domain-selective scope is every
        // requester.
        if (descriptor.granularity == Granularity::domain) {
          return params_.mode == vtd::Mode::scalable || context.space.domain == domain;
        }
        return descriptor.reaches(tag.source);
      });
      for (WalkSlot& slot : slots_) slot.withhold_fill = any_level;
      break;
    case DescriptorType::pasid_cache:
      pasids_.invalidate_if([&](const PasidTag& tag, const vtd::AddressSpace& space) {
        return descriptor.granularity == Granularity::global ||
               (space.domain == domain &&
                (descriptor.granularity == Granularity::domain || tag.pasid == descriptor.pasid));
      });
      for (WalkSlot& slot : slots_) slot.withhold_fill = any_level;
      break;
    case DescriptorType::iotlb:
      // VT-d 3.x, 6.5.2.3: hardware cannot map the range back to first-level input addresses, so
      // all of the domain's go.
      invalidate_iotlb([&](const IotlbEntryTag& tag, const IotlbValue& value) {
        return descriptor.granularity == Granularity::global ||
               (value.domain == domain && (descriptor.granularity == Granularity::domain ||
                                           value.first_level || covers_page(descriptor, tag)));
      });
      break;
    case DescriptorType::pasid_iotlb:
      invalidate_iotlb([&](const IotlbEntryTag& tag, const IotlbValue& value) {
        return value.domain == domain && value.pasid == descriptor.pasid &&
               (descriptor.granularity == Granularity::pasid || covers_page(descriptor, tag));
      });
      break;
    case DescriptorType::device_tlb:
    case DescriptorType::interrupt_cache:
    case DescriptorType::wait:
      break;
  }
}

void Iommu::drop_all() {
  contexts_.invalidate_all();
  pasids_.invalidate_all();
  iotlb_.invalidate_all();
  for (WalkSlot& slot : slots_) slot.withhold_fill = any_level;
}

}  // namespace viosim
