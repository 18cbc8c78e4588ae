// Requests on their way through caches and walkers, in time.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
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

// Constructs the walk in its slot: copying one costs as much as a step of it.
std::uint32_t Iommu::allocate_slot(const Request& request, const vtd::Context* context,
                                   const vtd::AddressSpace* space) {
  if (free_slots_.empty()) {
    slots_.push_back({vtd::Walk(params_.mode, tables_.root(), request, context, space),
                      nullptr,
                      0,
                      {},
                      {},
                      0,
                      false,
                      true});
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  std::construct_at(&slots_[slot].walk, params_.mode, tables_.root(), request, context, space);
  slots_[slot].withhold_fill = 0;
  slots_[slot].in_use = true;
  return slot;
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

void Iommu::start_walk(const IommuPort& port, Iova iova, Access access, UseStamp stamp,
                       WalkClient& client, std::uint64_t cookie) {
  // The look-up that missed passed through these caches, in this order; nothing has changed in them
  // since. When entries are found by source, the caches behind the IOTLB are counted and used here.
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  Ps latency = params_.context_cache.latency + (by_source ? params_.iotlb.latency : Ps(0));
  const std::uint32_t context_slot = contexts_.probe({port.source}, port.context_hint);
  const vtd::Context* context = nullptr;
  const vtd::AddressSpace* space = nullptr;
  if (context_slot != decltype(contexts_)::none) {
    context = &contexts_.value(context_slot);
    space = params_.mode == vtd::Mode::legacy ? &context->space : nullptr;
    if (params_.mode == vtd::Mode::scalable) {
      latency += params_.pasid_cache.latency;
      const Pasid pasid = port.pasid == no_pasid ? context->scalable.rid_pasid : port.pasid;
      const std::uint32_t entry = pasids_.probe({port.source, pasid}, port.pasid_hint);
      if (entry != decltype(pasids_)::none) space = &pasids_.value(entry);
      if (by_source) count_use(pasids_, entry, stamp);
    }
    if (space != nullptr && !by_source) latency += params_.iotlb.latency;
  }
  if (by_source) count_use(contexts_, context_slot, stamp);

  const Request request{iova, port.pasid, port.source, access};
  const std::uint32_t number = allocate_slot(request, context, space);
  WalkSlot& slot = slots_[number];
  slot.client = &client;
  slot.cookie = cookie;
  slot.arrival = stamp.instant();
  slot.ready = slot.arrival + latency;
  slot.device = port.device;
  ++stats.walks;
  if (slot.walk.step() != vtd::Step::read) {
    const Ps recording = slot.walk.step() == vtd::Step::faulted ? params_.fault_record : Ps(0);
    agenda_.schedule(slot.ready + recording, rank(EventClass::table_read, slot.device), *this,
                     number * 2U + static_cast<std::uint64_t>(What::answer));
  } else if (free_walkers_ > 0) {
    --free_walkers_;
    read_next(number, slot.ready);
  } else {
    waiting_.push_back(number);
    ++stats.walks_queued;
    stats.walk_queue_longest = std::max<std::uint64_t>(stats.walk_queue_longest, waiting_.size());
  }
}

void Iommu::read_next(std::uint32_t slot, Instant start) {
  ++stats.walk_reads;
  memory_.prefetch(slots_[slot].walk.next_read());
  agenda_.schedule(start + params_.walk_read, rank(EventClass::table_read, slots_[slot].device),
                   *this, slot * 2U + static_cast<std::uint64_t>(What::read_returned));
}

void Iommu::fire(std::uint64_t what) {
  const auto slot = static_cast<std::uint32_t>(what / 2);
  if (static_cast<What>(what % 2) == What::read_returned) {
    read_returned(slot);
  } else {
    answer(slot);
  }
}

void Iommu::read_returned(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  const vtd::Step step = slot.walk.advance(memory_.line(slot.walk.next_read()));
  const UseStamp stamp = use_now();
  if (slot.walk.learned_context() != nullptr && slot.withhold_fill == 0) {
    contexts_.insert({slot.walk.request().source}, *slot.walk.learned_context(), stamp);
  }
  if (slot.walk.learned_space() != nullptr && slot.withhold_fill == 0) {
    pasids_.insert({slot.walk.request().source, slot.walk.effective_pasid()},
                   *slot.walk.learned_space(), stamp);
  }
  if (step == vtd::Step::read) {
    read_next(number, agenda_.now());
  } else {
    finish(number);
  }
}

// The walk is over: its walker takes up the next one.
void Iommu::finish(std::uint32_t number) {
  if (waiting_.empty()) {
    ++free_walkers_;
  } else {
    const std::uint32_t next = waiting_.front();
    waiting_.pop_front();
    const Instant start = std::max(agenda_.now(), slots_[next].ready);
    stats.walk_wait += static_cast<std::uint64_t>((start - slots_[next].ready).count());
    read_next(next, start);
  }
  if (slots_[number].walk.step() == vtd::Step::faulted) {
    agenda_.schedule(agenda_.now() + params_.fault_record,
                     rank(EventClass::table_read, slots_[number].device), *this,
                     number * 2U + static_cast<std::uint64_t>(What::answer));
  } else {
    fill(slots_[number]);
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
  slot.in_use = false;
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
    if (!slot.in_use || slot.withhold_fill == any_level) continue;
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
        return tag.source == descriptor.source;
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
